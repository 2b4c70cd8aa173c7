using Conformance.Cases;
using Conformance.Gpu;
using Conformance.Model;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>What must hold on a GPU.</summary>
internal static class Checks
{
    /// <summary>All checks, in parts: ops, sizes, gradients, bf16, golden, trajectories, equal, cpu.</summary>
    public static IEnumerable<WorkItem> All()
    {
        foreach (OpCase op in OperationSuite.AllGpuSizes.DistinctBy(c => c.Name))
            yield return On("ops", op.Name, backend => OpCheck.Run(op, backend));
        foreach (IGrouping<string, OpCase> group in OperationSuite.AllSizes.Where(Fits).GroupBy(c => c.Name.Split(' ')[0]))
            yield return On("sizes", $"{group.Key} at every size from 0 to 256", backend => All(group, backend));
        foreach (BackendRun run in OperationSuite.AllRuns)
            yield return On("gradients", run.Name, backend =>
            {
                using Backend cpu = CpuBackend.Create();
                run.Compare(cpu, backend);
            });
        foreach (WorkItem task in BF16()) yield return task;
        foreach (WorkItem task in Goldens()) yield return task;
        foreach (WorkItem task in Bits.All(Bits.Small).Concat(Bits.All(Bits.Full))) yield return task;
    }

    private static IEnumerable<WorkItem> BF16()
    {
        (ProductKernel Product, (int, int, int) Shape, bool Bias, bool Residual)[] products =
            [(ProductKernel.Linear, (1, 2, 8), false, false), (ProductKernel.Linear, (129, 136, 40), true, true),
             (ProductKernel.Linear, (70, 200, 264), true, false), (ProductKernel.Linear, (5, 131, 24), true, true),
             (ProductKernel.Gelu, (127, 128, 64), true, false), (ProductKernel.Geglu, (130, 72, 96), false, true),
             (ProductKernel.Geglu, (3, 65, 128), true, false), (ProductKernel.Swiglu, (130, 72, 96), true, false)];
        foreach ((ProductKernel product, (int, int, int) shape, bool bias, bool residual) in products)
            yield return Raw($"{product.Name} {shape}", c => c.Product(product, ProductForm.Mma, shape, bias, residual));
        foreach ((int rows, int width) in ((int, int)[])[(1, 8), (9, 768), (3, 1024), (3, 1048)])
            yield return Raw($"layer norm {rows}×{width}", c => c.LayerNorm(rows, width));

        foreach ((int rows, int outputs, int inputs) in ((int, int, int)[])[(1, 8, 8), (129, 136, 72), (127, 40, 264), (1000, 768, 2304)])
        {
            yield return Raw($"gradient of a linear layer's input {rows}×{outputs}×{inputs}",
                c => c.LinearInputGradient(rows, outputs, inputs, add: rows > 127));
            foreach (int share in (int[])[32, 4096])
                yield return Raw($"gradient of a linear layer's weights {rows}×{outputs}×{inputs} by {share}",
                    c => c.LinearWeightGradient(rows, outputs, inputs, share));
        }

        foreach (int size in (int[])[8, 32, 40, 64, 104, 128])
        {
            yield return Raw($"attention on tensor cores, heads of {size}", c => c.Attention([65, 0, 7, 513, 1], 3, size, default(Alibi)));
            yield return Raw(
                $"attention on tensor cores, plain, heads of {size}", c => c.Attention([130], 2, size, default(NoModification)));
            yield return Raw($"attention on tensor cores, causal, heads of {size}", c => c.Attention([64, 300], 2, size, default(Causal)));
            yield return Raw(
                $"attention on tensor cores, windowed, heads of {size}", c => c.Attention([300, 64], 2, size, new SlidingWindow(20)));
            yield return Raw($"attention on tensor cores, capped, heads of {size}", c => c.Attention([130], 2, size, new SoftCap(1.5f)));
            yield return Raw($"attention on tensor cores, relative biases, heads of {size}",
                c => c.RelativeAttention([65, 0, 7, 300], size, RelativeTable.Of(1)));
            yield return Raw($"attention on tensor cores behind the end, heads of {size}",
                c => c.RelativeAttention([70], size, new RelativeTable(1, [100, 0, 100])));
            yield return Raw($"attention on tensor cores, dropped, heads of {size}",
                c => c.Attention([65, 0, 300], 2, size, default(Alibi), dropout: 0.3f));
        }

        yield return Raw("casts", c => c.Cast());
        yield return Raw("casts back", c => c.CastBack());
        yield return Raw("the norm of the gradients", c => c.GradientNorm());
        yield return Raw("AdamW with a rounded copy", c => c.AdamW());
        foreach (BackendRun run in OperationSuite.AllRuns) yield return Twin(run.Name, backend => run.On(backend));
        foreach (OpCase op in OperationSuite.AllNarrowSizes)
            yield return Twin(op.Name, backend =>
            {
                using var arena = new Arena(backend);
                op.Prepare(backend, arena, arena.Rent).Run();
            });
    }

    private static IEnumerable<WorkItem> Goldens()
    {
        foreach (string name in (string[])["tiny12h", "tiny3h"])
        {
            yield return Model("golden", $"forward pass of {name}", b => GoldenForwardChecks.Small(SharedData.Golden(name), b));
            foreach (string loss in (string[])["mlm", "cls"])
                foreach (bool recompute in (bool[])[false, true])
                    yield return Model("golden", $"gradients of {name}, {loss}{(recompute ? ", recomputed" : "")}",
                        b => GoldenTrainingChecks.Gradients(SharedData.Golden(name), loss, recompute, b));
        }

        foreach (string name in (string[])["tiny3h", "full117m"])
            yield return new("golden", $"forward pass of {name} in bf16", open =>
            {
                BFloat16ModelChecks.Forward(SharedData.Golden(name), open);
                return null;
            });
        foreach ((string name, string loss) in ((string, string)[])[("tiny3h", "mlm"), ("tiny3h", "cls"), ("full117m", "mlm")])
            yield return new("golden", $"gradients of {name} in bf16, {loss}", open =>
            {
                BFloat16ModelChecks.Gradients(SharedData.Golden(name), loss, open);
                return null;
            });
        yield return Model("golden", "forward pass of full117m", b => GoldenForwardChecks.Full(SharedData.Golden("full117m"), b));
        yield return Model("golden", "forward pass of long1500", b => GoldenForwardChecks.Long(SharedData.Golden("long1500"), b));
        foreach ((string name, string loss) in ((string, string)[])[("full117m", "mlm"), ("full117m", "cls"), ("long1500", "mlm")])
            yield return Model("golden", $"gradients of {name}, {loss}",
                b => GoldenTrainingChecks.GradientNorms(SharedData.Golden(name), loss, recompute: name == "long1500", b));
        foreach (string name in (string[])["train_mlm_pretrain", "train_mlm_clip_nodecay", "train_cls_finetune"])
            yield return Model("trajectories", name, b => GoldenTrainingChecks.Trajectory(SharedData.Golden(name), b));
    }

    private static bool Fits(OpCase op) => !op.Name.EndsWith("heads of 200", StringComparison.Ordinal);

    private static void All(IEnumerable<OpCase> ops, Backend backend)
    {
        var wrong = new List<string>();
        foreach (OpCase op in ops)
        {
            try
            {
                OpCheck.Run(op, backend);
            }
            catch (CheckFailedException fault)
            {
                wrong.Add(fault.Message);
            }
        }

        Check.That(wrong.Count == 0, $"{wrong.Count} wrong: {string.Join("; ", wrong.Take(3))}");
    }

    private static WorkItem On(string part, string name, Action<Backend> check) => new(part, name, open =>
    {
        using Backend backend = new CudaBackend(open());
        check(backend);
        return null;
    });

    private static WorkItem Raw(string name, Action<BFloat16Checks> check) => new("bf16", name, open =>
    {
        using GpuDevice device = open();
        using var checks = new BFloat16Checks(device);
        check(checks);
        return null;
    });

    private static WorkItem Twin(string name, Action<Backend> run) => new("bf16", name + ", beside fp32", open =>
    {
        using Backend backend = new CudaBackend(new BFloat16Twin(open()));
        run(backend);
        return null;
    });

    private static WorkItem Model(string part, string name, Action<Func<Backend>> check) => new(part, name, open =>
    {
        check(() => new CudaBackend(open()));
        return null;
    });
}
