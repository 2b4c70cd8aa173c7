using System.Runtime.InteropServices;
using Dnabert2.Weights;
using Engine.Kernels;

namespace Tests.Weights;

public sealed class FloatValuesTests
{
    [Fact]
    public void Every_bfloat16_and_every_half_converts_to_the_float_of_the_same_value()
    {
        ushort[] all = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];
        var actual = new float[all.Length];
        FloatValues.ToSingle(WeightType.BF16, MemoryMarshal.AsBytes<ushort>(all), actual);
        for (int i = 0; i < all.Length; i++)
            Assert.Equal(BitConverter.SingleToUInt32Bits((float)BFloat16.FromBits(all[i])), BitConverter.SingleToUInt32Bits(actual[i]));
        FloatValues.ToSingle(WeightType.F16, MemoryMarshal.AsBytes<ushort>(all), actual);
        for (int i = 0; i < all.Length; i++) Assert.Equal((float)BitConverter.UInt16BitsToHalf(all[i]), actual[i]);
    }

    [Theory]
    [InlineData(nameof(WeightType.F32))]
    [InlineData(nameof(WeightType.F16))]
    [InlineData(nameof(WeightType.BF16))]
    [InlineData(nameof(WeightType.F64))]
    public void Every_length_converts_from_every_alignment_without_touching_what_lies_beyond(string typeName)
    {
        WeightType type = Enum.Parse<WeightType>(typeName);
        int size = type.Bits() / 8;
        for (int length = 0; length <= 256; length++)
        {
            byte[] bytes = new byte[(length * size) + 8];
            int shift = length % 8;
            var expected = new float[length];
            for (int i = 0; i < length; i++)
            {
                float value = expected[i] = (i - 100) * 0.25f; // Exact in all four types.
                Span<byte> at = bytes.AsSpan(shift + (i * size));
                if (type == WeightType.F32) BitConverter.TryWriteBytes(at, value);
                else if (type == WeightType.F16) BitConverter.TryWriteBytes(at, (Half)value);
                else if (type == WeightType.BF16) BitConverter.TryWriteBytes(at, ((BFloat16)value).Bits);
                else BitConverter.TryWriteBytes(at, (double)value);
            }
            var actual = new float[length + 1];
            actual[length] = 7;
            FloatValues.ToSingle(type, bytes.AsSpan(shift, length * size), actual);
            Assert.Equal(expected, actual[..length]);
            Assert.Equal(7, actual[length]);
        }
    }

    [Fact]
    public void A_double_beyond_the_range_of_float_becomes_infinite_and_others_the_nearest()
    {
        double[] source = [1e300, -1e300, 0.1, double.NaN, 1 + 1e-9];
        var actual = new float[source.Length];
        FloatValues.ToSingle(WeightType.F64, MemoryMarshal.AsBytes<double>(source), actual);
        Assert.Equal([float.PositiveInfinity, float.NegativeInfinity, 0.1f, float.NaN, 1f], actual);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void The_first_non_finite_value_is_found_wherever_it_is(float bad)
    {
        Assert.Equal(-1, FloatValues.IndexOfNonFinite([]));
        var values = new float[9000];
        Array.Fill(values, float.MaxValue);
        Assert.Equal(-1, FloatValues.IndexOfNonFinite(values));
        foreach (int index in (int[])[8999, 8192, 8191, 4097, 4096, 4095, 33, 1, 0])
        {
            values[index] = bad; // The later ones stay.
            Assert.Equal(index, FloatValues.IndexOfNonFinite(values));
            Assert.Equal(-1, FloatValues.IndexOfNonFinite(values.AsSpan(0, index)));
        }
    }
}
