CALL today.pick_and_commit(100);
