using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Kernels;

namespace Dnabert2.Weights;

/// <summary>What checkpoints ask of arrays of numbers.</summary>
public static class FloatValues
{
    /// <summary>The index of the first NaN or infinity, or −1 where every value is finite.</summary>
    public static int IndexOfNonFinite(ReadOnlySpan<float> values)
    {
        const int block = 4096;
        for (int start = 0; start < values.Length; start += block)
        {
            ReadOnlySpan<float> part = values.Slice(start, Math.Min(block, values.Length - start));
            if (TensorPrimitives.IsFiniteAll(part)) continue;
            int i = 0;
            while (float.IsFinite(part[i])) i++;
            return start + i;
        }
        return -1;
    }

    /// <summary>
    /// Converts little-endian elements to fp32: exactly from F32, F16 and BF16, to the nearest from F64 (beyond fp32's range, to
    /// infinity). Neither side needs to be aligned.
    /// </summary>
    internal static void ToSingle(WeightType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case WeightType.F32: source.CopyTo(MemoryMarshal.AsBytes(destination)); break;
            case WeightType.BF16: BFloat16ToSingle(MemoryMarshal.Cast<byte, ushort>(source), destination); break;
            case WeightType.F16: TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(source), destination); break;
            case WeightType.F64: TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, double>(source), destination); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "not a floating-point type the engine reads");
        }
    }

    /// <summary>Converts little-endian elements to F32, or to BF16 with ties to even, in a buffer that grows as needed.</summary>
    internal static ReadOnlySpan<byte> Convert(WeightType type, ReadOnlySpan<byte> source, DType dtype, ref byte[] buffer)
    {
        int count = source.Length / (type.Bits() / 8);
        if (buffer.Length < count * sizeof(float)) buffer = new byte[count * sizeof(float)];
        Span<float> values = MemoryMarshal.Cast<byte, float>(buffer.AsSpan())[..count];
        ToSingle(type, source, values);
        if (dtype == DType.F32) return MemoryMarshal.AsBytes(values);
        // In place: each result lies at or before the value it is made from.
        Span<BFloat16> halves = MemoryMarshal.Cast<byte, BFloat16>(buffer.AsSpan())[..count];
        for (int i = 0; i < count; i++) halves[i] = (BFloat16)values[i];
        return MemoryMarshal.AsBytes(halves);
    }

    /// <summary>Whether no element, F32 or BF16, is NaN or infinite.</summary>
    internal static bool AreFinite(DType dtype, ReadOnlySpan<byte> values)
    {
        if (dtype == DType.F32) return IndexOfNonFinite(MemoryMarshal.Cast<byte, float>(values)) < 0;
        const ushort exponent = 0x7F80;
        foreach (ushort value in MemoryMarshal.Cast<byte, ushort>(values))
            if ((value & exponent) == exponent) return false;
        return true;
    }

    // A bfloat16 is the upper half of its float.
    private static void BFloat16ToSingle(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        ref ushort from = ref MemoryMarshal.GetReference(source);
        ref uint to = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(destination[..source.Length]));
        nuint i = 0, length = (nuint)source.Length;
        for (; i + (nuint)Vector<ushort>.Count <= length; i += (nuint)Vector<ushort>.Count)
        {
            Vector.Widen(Vector.LoadUnsafe(ref from, i), out Vector<uint> low, out Vector<uint> high);
            (low << 16).StoreUnsafe(ref to, i);
            (high << 16).StoreUnsafe(ref to, i + (nuint)Vector<uint>.Count);
        }
        for (; i < length; i++) Unsafe.Add(ref to, i) = (uint)Unsafe.Add(ref from, i) << 16;
    }
}
