using Bench.Peers;
using BenchmarkDotNet.Running;

// `peer …` takes one sample beside other programs, see bench/peers; anything else is BenchmarkDotNet's: --filter '*Tokenizer*', --list
// flat, …
if (args is ["peer", .. string[] peer]) return PeerSample.Run(peer);
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
