using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Tensors times a number.</summary>
internal sealed class ScaleCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes => Lengths.Select(n => new ScaleCase(n));

    public override IEnumerable<OpCase> GpuSizes => new[] { 0, 1, 5, 86, 300 }.Select(n => new ScaleCase(7 * n));

    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"scale in place {count}", i =>
    {
        Tensor x = i.Normal(count);
        i.Backend.Run(new Scale(x, -0.75f, x));
        return [i.Read(x)];
    }));

    public override void Launch(KernelLaunches on) => on.Run(new Scale(on.Numbers(on.Rows), 2, on.Numbers(on.Rows)));
}

/// <summary><c>y = factor · x</c>, in place where the length is odd.</summary>
internal sealed class ScaleCase(int count) : OpCase($"scale {count}")
{
    private double[]? _x;

    public override double Bytes => 8.0 * count;

    public override double Tolerance => 3e-7;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, X(), count), y = count % 2 == 1 ? x : rent(x.Shape, DType.F32);
        return (() => backend.Run(new Scale(x, 1.5f, y)), [y]);
    }

    protected override double[][] Reference() => [Array.ConvertAll(X(), v => 1.5 * v)];

    private double[] X() => _x ??= Normal(count);
}
