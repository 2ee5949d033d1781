-- The partitions to start with. After the comments, of which each takes its copy, and before the
-- last file, which takes back whatever was granted on them unasked.
SELECT keypool.make_request_partitions();
