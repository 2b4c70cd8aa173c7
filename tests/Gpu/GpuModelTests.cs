using Conformance.Gpu;
using Conformance.Model;
using Conformance.Ptx;
using Engine.Runtime.Cuda;
using Tests.Model;
using Tests.Ptx;

namespace Tests.Gpu;

/// <summary>The model on the GPU's backend, its kernels run by the PTX interpreter.</summary>
[Trait("Category", "Slow")]
public sealed class GpuModelTests
{
    [Theory]
    [InlineData("tiny12h", "mlm")]
    [InlineData("tiny3h", "cls")]
    public void Loss_and_gradients_equal_the_reference(string name, string loss) =>
        GoldenTrainingChecks.Gradients(SharedData.Golden(name), loss, recompute: false, () => new CudaBackend(new InterpretedDevice()));

    [Fact]
    public void Kernels_that_memory_bounds_touch_no_sector_that_they_need_not()
    {
        var device = new InterpretedDevice();
        using var run = new GoldenTraining(new Golden(SharedData.Golden("tiny12h")), "mlm", recompute: false, new CudaBackend(device));
        run.Backward(run.Golden.Root);
        string[] flat = ["gelu_f32", "geglu_f32", "geglu_gradient_f32", "gelu_gradient_f32", "add_f32", "dropout_f32"];
        AccessSite[] wasteful =
            [.. device.Reports.Where(r => flat.Contains(r.Entry)).SelectMany(r => r.Report.Global).Where(s => s.Transactions > s.Ideal)];
        Assert.Empty(wasteful);
    }
}
