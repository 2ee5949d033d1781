-- Installing gives nobody anything, whatever default privileges say, and dropping leaves nothing.
SELECT plan(9);

CREATE ROLE installation_stranger;
CREATE ROLE installation_anon;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO installation_anon;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO installation_anon;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO installation_anon;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO installation_anon;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO installation_anon;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;


CREATE TABLE functions_before AS
  SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace;

CREATE EXTENSION pg_keypool;

CREATE VIEW members AS
  SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS what,
         coalesce(f.proacl, c.relacl, n.nspacl) AS acl,
         coalesce(f.proowner, c.relowner, n.nspowner) AS owner,
         CASE d.classid WHEN 'pg_proc'::regclass THEN 'f' WHEN 'pg_namespace'::regclass THEN 'n'
                        ELSE CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END END AS kind
  FROM pg_depend d
  LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
  LEFT JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
  WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_keypool')
    AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass);

SELECT cmp_ok((SELECT count(*) FROM members), '>', 30::bigint, 'the extension has its members');
SELECT is_empty(
  $$ SELECT what, a.grantee::regrole, a.privilege_type
     FROM members, LATERAL aclexplode(coalesce(acl, acldefault(kind::"char", owner))) a
     WHERE a.grantee <> owner $$,
  'nobody but the owner has a right on anything, PUBLIC included');
SELECT is_empty(
  $$ SELECT c.oid::regclass, attname, attacl FROM pg_attribute a JOIN members m
     ON m.classid = 'pg_class'::regclass AND a.attrelid = m.objid
     JOIN pg_class c ON c.oid = a.attrelid WHERE attacl IS NOT NULL $$,
  'nor on a column');
SELECT is_empty(
  $$ SELECT what FROM members WHERE classid = 'pg_class'::regclass
     AND (has_table_privilege('installation_stranger', objid, 'SELECT')
          OR has_table_privilege('installation_anon', objid, 'SELECT, INSERT, UPDATE, DELETE'))
     AND kind = 'r' $$,
  'a stranger reads no table, nor does a role that default privileges favour');
SELECT is_empty(
  $$ SELECT what FROM members WHERE classid = 'pg_proc'::regclass
     AND (has_function_privilege('installation_stranger', objid, 'EXECUTE')
          OR has_function_privilege('installation_anon', objid, 'EXECUTE')) $$,
  'and calls no function');
SELECT ok(NOT has_schema_privilege('installation_anon', 'keypool', 'USAGE, CREATE'),
  'and does not enter the schema');
SELECT is_empty(
  $$ SELECT rolname FROM pg_roles WHERE rolname LIKE '%keypool%' $$, 'no role was made');

DROP VIEW members;
DROP EXTENSION pg_keypool;
SELECT is_empty(
  $$ SELECT nspname FROM pg_namespace WHERE nspname = 'keypool' $$,
  'DROP EXTENSION takes the schema along');
SELECT is_empty(
  $$ SELECT pg_describe_object('pg_proc'::regclass, oid, 0) FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace
       AND oid NOT IN (SELECT oid FROM functions_before) $$,
  'and every function');
SELECT * FROM finish();
