using System.Numerics.Tensors;
using Conformance.Gpu;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tensor = Engine.Kernels.Tensor;

namespace Tests.Runtime;

public sealed class TensorViewsTests
{
    [Fact]
    public void A_view_has_the_shape_and_the_memory_of_its_tensor()
    {
        using Backend backend = CpuBackend.Create(1);
        using Arena arena = new(backend);
        Tensor whole = arena.Rent(new Shape(3, 2, 4), DType.F32), rows = whole.Slice(8, new Shape(2, 2, 4));
        backend.Upload<float>([.. Enumerable.Range(0, 24).Select(i => (float)i)], whole);
        ReadOnlyTensorSpan<float> view = rows.AsReadOnlyTensorSpan<float>();
        Assert.Equal([2, 2, 4], view.Lengths.ToArray());
        Assert.Equal(8 + 15, view[1, 1, 3]);
        rows.AsTensorSpan<float>()[0, 1, 2] = -1;
        Assert.Equal(-1, view[0, 1, 2]);
        Assert.Equal(-1, whole.AsTensorSpan<float>()[1, 1, 2]);
    }

    [Fact]
    public void Elements_of_another_type_and_tensors_elsewhere_are_refused()
    {
        using Backend cpu = CpuBackend.Create(1), gpu = new CudaBackend(new InterpretedDevice());
        using Arena arena = new(cpu), onGpu = new(gpu);
        Tensor ids = arena.Rent(new Shape(4), DType.I32), far = onGpu.Rent(new Shape(4), DType.F32);
        Assert.Equal([4], ids.AsTensorSpan<int>().Lengths.ToArray());
        Assert.Contains("I32 [4], which has no elements of Single", Refused(() => ids.AsTensorSpan<float>()), StringComparison.Ordinal);
        Assert.Contains("absent", Refused(() => default(Tensor).AsTensorSpan<float>()), StringComparison.Ordinal);
        Assert.Contains("in the memory of a GPU; copy it with Backend.Download", Refused(() => far.AsReadOnlyTensorSpan<float>()),
            StringComparison.Ordinal);
    }

    private static string Refused(Action view) => Assert.Throws<InvalidOperationException>(view).Message;
}
