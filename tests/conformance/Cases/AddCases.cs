using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Sums of tensors.</summary>
internal sealed class AddCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"add {count}", i =>
    {
        Tensor x = i.Normal(count), z = i.Normal(count), y = i.Empty(count);
        i.Backend.Run(new Add(x, z, y));
        i.Backend.Clear(z);
        return [i.Read(y), i.Read(z)];
    }));

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Numbers(on.Rows), y = on.Numbers(on.Rows);
        on.Run(new Add(x, y, y));
    }
}
