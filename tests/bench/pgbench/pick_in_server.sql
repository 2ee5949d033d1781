CALL bench.pick_and_commit(100);
