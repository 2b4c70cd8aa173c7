using Bench.EndToEnd;
using BenchmarkDotNet.Running;

// `forward` measures operations and the whole forward pass; anything else is BenchmarkDotNet's: --filter '*Tokenizer*', --list flat, …
if (args is ["forward", ..]) return ForwardBenchmark.Run(args[1..]);
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
