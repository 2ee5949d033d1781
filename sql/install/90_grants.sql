-- Nothing is granted to PUBLIC, and nothing is left of what ALTER DEFAULT PRIVILEGES handed out
-- while the objects above were made. Only their owner keeps his rights. Must stay the last of the
-- files.
DO $$
DECLARE
  grantee text;
BEGIN
  PERFORM keypool.revoke_members('PUBLIC');
  FOR grantee IN
    SELECT DISTINCT a.grantee::regrole::text
    FROM pg_depend d
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_keypool'
    LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
    LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    LEFT JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
    CROSS JOIN LATERAL aclexplode(coalesce(f.proacl, c.relacl, n.nspacl)) AS a
    WHERE d.refclassid = 'pg_extension'::regclass
      AND d.deptype = 'e'
      AND a.grantee NOT IN (0, coalesce(f.proowner, c.relowner, n.nspowner))
  LOOP
    PERFORM keypool.revoke_members(grantee);
  END LOOP;
END
$$;
