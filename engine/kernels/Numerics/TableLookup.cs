using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Engine.Kernels;

/// <summary>
/// <see cref="IReal{T}.Lookup"/> on the CPU. The position is held within the table as an integer, so none can lead outside.
/// </summary>
internal static unsafe class TableLookup
{
    public static float Get(BiasTable table, int position) => ((float*)table.Address)[Math.Clamp(position, 0, table.Entries - 1)];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Get(BiasTable table, Vector128<float> index)
    {
        Vector128<int> i = Vector128.Min(
            Vector128.Max(Vector128.ConvertToInt32(index), Vector128<int>.Zero), Vector128.Create(table.Entries - 1));
        var values = (float*)table.Address;
        return Avx2.IsSupported
            ? Avx2.GatherVector128(values, i, sizeof(float)) : Vector128.Create(values[i[0]], values[i[1]], values[i[2]], values[i[3]]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Get(BiasTable table, Vector256<float> index)
    {
        if (!Avx2.IsSupported) return Vector256.Create(Get(table, index.GetLower()), Get(table, index.GetUpper()));
        Vector256<int> i = Vector256.Min(
            Vector256.Max(Vector256.ConvertToInt32(index), Vector256<int>.Zero), Vector256.Create(table.Entries - 1));
        return Avx2.GatherVector256((float*)table.Address, i, sizeof(float));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Get(BiasTable table, Vector512<float> index) =>
        Vector512.Create(Get(table, index.GetLower()), Get(table, index.GetUpper()));
}
