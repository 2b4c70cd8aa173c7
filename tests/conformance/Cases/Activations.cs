using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Matrices in the type in which a backend computes, and what they hold as floats.</summary>
internal sealed class Activations(Backend backend, Arena arena)
{
    public Tensor Empty(int rows, int columns) => arena.Rent(new Shape(rows, columns), backend.ActivationType);

    /// <summary>Random numbers that are exact in bf16, so that backends of either type are given the same.</summary>
    public Tensor Normal(int rows, int columns, uint site)
    {
        Tensor tensor = Empty(rows, columns);
        var values = new float[tensor.Count];
        new Philox(3, 0, site).FillNormal(values, 1);
        BFloat16[] narrow = Array.ConvertAll(values, v => (BFloat16)v);
        if (tensor.DType == DType.BF16) backend.Upload<BFloat16>(narrow, tensor);
        else backend.Upload<float>(Array.ConvertAll(narrow, v => (float)v), tensor);
        return tensor;
    }

    /// <summary>The numbers of a tensor in bf16 or F32.</summary>
    public float[] Read(Tensor tensor)
    {
        var values = new float[tensor.Count];
        if (tensor.DType == DType.F32)
        {
            backend.Download<float>(tensor, values);
            return values;
        }

        var narrow = new BFloat16[tensor.Count];
        backend.Download<BFloat16>(tensor, narrow);
        return Array.ConvertAll(narrow, v => (float)v);
    }
}
