using Bench.Peers;
using Bench.Server;
using BenchmarkDotNet.Running;

// `peer …` takes one sample beside other programs, see bench/peers; `serve …` puts load on a server, see bench/results/server.md; anything
// else is BenchmarkDotNet's: --filter '*Tokenizer*', --list flat, …
if (args is ["peer", .. string[] peer]) return PeerSample.Run(peer);
if (args is ["serve", .. string[] serve]) return await ServerLoad.RunAsync(serve);
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
