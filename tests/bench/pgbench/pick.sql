SELECT pick_key('bench_16');
