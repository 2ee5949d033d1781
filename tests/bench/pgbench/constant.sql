SELECT bench.constant_text('bench_16');
