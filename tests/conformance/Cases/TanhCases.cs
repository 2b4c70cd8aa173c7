using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>The hyperbolic tangent.</summary>
internal sealed class TanhCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes => Lengths.Select(n => new TanhCase(n));

    public override IEnumerable<OpCase> GpuSizes => new[] { 1, 2, 8, 9, 255, 256, 257, 2050 }.Select(n => new TanhCase(n));

    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"tanh {count}", i =>
    {
        Tensor x = i.Normal(count), dy = i.Normal(count), y = i.Empty(count), dx = i.Normal(count);
        i.Backend.Run(new TanhForward(x, y));
        i.Backend.Run(new TanhBackward(y, dy, true, dx));
        return [i.Read(y), i.Read(dx)];
    }));

    public override IEnumerable<OperationCase> OnTape =>
        Elementwise("Tanh", Tanh.Instance.Forward, Tanh.Instance.ForwardInPlace, Math.Tanh);

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Numbers(on.Rows), y = on.Numbers(on.Rows);
        on.Run(new TanhForward(x, y));
        on.Run(new TanhBackward(x, y, accumulate: false, y));
    }
}

/// <summary>tanh of each element.</summary>
internal sealed class TanhCase(int count) : OpCase($"tanh {count}")
{
    private double[]? _x;

    public override double Bytes => 8.0 * count;

    public override double Tolerance => 3e-7;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, X(), count), y = rent(x.Shape, DType.F32);
        return (() => backend.Run(new TanhForward(x, y)), [y]);
    }

    protected override double[][] Reference() => [Array.ConvertAll(X(), Math.Tanh)];

    private double[] X() => _x ??= Normal(count, 3);
}
