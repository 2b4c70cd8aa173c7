using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Kernels;

/// <summary>A model that has lost its numbers does not answer as if it had them.</summary>
public sealed class NotANumberTests
{
    public static TheoryData<string> Forms => Backends.NamesWithGpu();

    [Theory]
    [MemberData(nameof(Forms))]
    public void What_is_no_number_stays_none_in_activations_and_maxima(string form)
    {
        using Backend backend = Backends.Create(form, 1);
        using var arena = new Arena(backend);
        float[] values = [1, float.NaN, 2, -3, float.NaN, 0, 5, -1, float.NaN, 4, -2, 7];
        Tensor x = arena.Rent(new Shape(values.Length, 1), DType.F32), y = arena.Rent(x.Shape, DType.F32),
            maxima = arena.Rent(new Shape(4, 1), DType.F32);
        backend.Upload<float>(values, x);
        backend.Run(new ReluForward(x, y));
        Assert.Equal([1, float.NaN, 2, 0, float.NaN, 0, 5, 0, float.NaN, 4, 0, 7], Read(y));
        backend.Run(new SigmoidForward(x, y));
        Assert.Equal(values.Select(float.IsNaN), Read(y).Select(float.IsNaN));
        backend.Run(new GeluTanhForward(x, y));
        Assert.Equal(values.Select(float.IsNaN), Read(y).Select(float.IsNaN));
        backend.Run(new MaxPoolForward(x, length: 12, width: 3, maxima));
        Assert.Equal([float.NaN, float.NaN, float.NaN, 7], Read(maxima));

        float[] Read(Tensor tensor)
        {
            var read = new float[tensor.Count];
            backend.Download<float>(tensor, read);
            return read;
        }
    }
}
