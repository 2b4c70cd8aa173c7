using AttentionVariant;
using Dnabert2;
using Dnabert2.Benchmarking;
using Dnabert2.Embeddings;
using Dnabert2.Folders;
using Engine.KernelCompiler;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

// On a GPU the modification is compiled into the attention kernels when it is first run.
using Backend backend = args is ["cuda"] ? CudaDevices.Open(compiler: new IlgpuKernelCompiler()) : CpuBackend.Create();
var mine = new DistanceDecay(length: 50);
AttentionErrors errors = AttentionCheck.Run(backend, mine);
Console.WriteLine($"{backend.Description}: error {errors.Forward:E1} forward, {errors.Backward:E1} backward");

using var benchmark = new AttentionBenchmark(backend, heads: 12, headSize: 64);
foreach ((int sequences, int tokens) in ((int, int)[])[(8, 128), (2, 512)])
{
    Print("distance decay", benchmark.Measure(mine, sequences, tokens));
    Print("ALiBi", benchmark.Measure(default(Alibi), sequences, tokens));

    void Print(string name, AttentionSample s) => Console.WriteLine(
        $"{name,-15}{sequences}×{tokens}: forward {s.Forward * 1e3:F2} ms, {s.ForwardFlops / s.Forward / 1e9:F0} GFLOP/s; "
        + $"backward {s.Backward * 1e3:F2} ms, {s.BackwardFlops / s.Backward / 1e9:F0} GFLOP/s");
}

// A model with it: here the weights that come with the library, which were trained with ALiBi.
ModelSource source = ModelSource.Open(ModelSource.BuiltIn, attention: SelfAttention.Of("decay:50", mine));
using Dnabert2Model model = source.Load<Dnabert2Model>(backend, ModelParts.Encoder);
int width = new Embedder(model).Embed(["ACGTTGCATGACCTGACTTAGCA"]).Width;
Console.WriteLine($"a model with attention {model.Config.Attention}: {width} numbers for a sequence");

return errors is { Forward: < 1e-4, Backward: < 1e-3 } ? 0 : 1;
