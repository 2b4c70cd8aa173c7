using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Steps of the optimizer.</summary>
internal sealed class AdamWCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"AdamW {count}", i =>
    {
        Tensor g = i.Normal(count), w = i.Normal(count), m = i.Normal(count), v = i.Normal(count);
        i.Backend.Clear(v);
        Tensor numbers = i.Numbers(AdamWStep.Of(0.01f, 0.9f, 0.98f, 1e-6f, 0.1f, 3, 0.5f)), sums = i.Doubles(0, 0, 0),
            report = i.Doubles(0, 0);
        AdamWRun[] runs = count < 48 ? [new(0, count, true)] : [new(0, 16, true), new(16, 16, false), new(32, count - 32, true)];
        var updated = new AdamWRuns(runs, count);
        i.Backend.Run(new AdamWUpdate(numbers, updated, OptimizerOperands.Words(i.Arena, updated), w, g, m, v, sums, default, report));
        return [i.ReadDoubles(sums), i.ReadDoubles(report), i.Read(g), i.Read(w), i.Read(m), i.Read(v)];
    }));

    public override void Launch(KernelLaunches on)
    {
        var runs = new AdamWRuns([new(0, on.Rows, true)], on.Rows);
        Tensor w = on.Floats(on.Rows), words = on.Integers(runs.Words.Length), numbers = on.Floats(AdamWStep.Count),
            report = on.Doubles(2);
        Tensor rounded = on.Type == DType.BF16 ? on.Numbers(on.Rows) : default;
        on.Run(new AdamWUpdate(
            numbers, runs, words, w, on.Floats(on.Rows), on.Floats(on.Rows), on.Floats(on.Rows), on.Doubles(2), rounded,
            report));
    }
}
