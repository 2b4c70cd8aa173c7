using Engine.Kernels;

namespace Dnabert2.Weights;

/// <summary>
/// The element types of weight files: those of safetensors 0.8, in its order of increasing alignment, which is also the order
/// (descending) of the tensors in a written file. The engine computes with few of them; the others are listed and copied.
/// </summary>
internal enum WeightType : byte
{
    Bool, F4, F6E2M3, F6E3M2, U8, I8, F8E5M2, F8E4M3, F8E8M0, F8E4M3Fnuz, F8E5M2Fnuz,
    I16, U16, F16, BF16,
    I32, U32, F32,
    C64, F64, I64, U64,
}

internal static class WeightTypes
{
    private static readonly string[] Names =
    [
        "BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
        "I16", "U16", "F16", "BF16",
        "I32", "U32", "F32",
        "C64", "F64", "I64", "U64",
    ];

    /// <summary>The name safetensors gives the type.</summary>
    public static string Name(this WeightType type) => Names[(int)type];

    /// <summary>The type of this name in safetensors, case included.</summary>
    public static bool TryParse(string name, out WeightType type)
    {
        int index = Array.IndexOf(Names, name);
        type = (WeightType)Math.Max(index, 0);
        return index >= 0;
    }

    /// <summary>Bits of one element; fewer than eight for the packed types.</summary>
    public static int Bits(this WeightType type) => type switch
    {
        WeightType.F4 => 4,
        WeightType.F6E2M3 or WeightType.F6E3M2 => 6,
        <= WeightType.F8E5M2Fnuz => 8,
        <= WeightType.BF16 => 16,
        <= WeightType.F32 => 32,
        _ => 64,
    };

    /// <summary>The engine's type, or null where it has none.</summary>
    public static DType? ToDType(this WeightType type) => type switch
    {
        WeightType.F32 => DType.F32,
        WeightType.BF16 => DType.BF16,
        WeightType.F16 => DType.F16,
        WeightType.F64 => DType.F64,
        WeightType.I32 => DType.I32,
        WeightType.U8 => DType.U8,
        _ => null,
    };

    /// <summary>The file type of an engine type.</summary>
    public static WeightType Of(DType dtype) => dtype switch
    {
        DType.F32 => WeightType.F32,
        DType.BF16 => WeightType.BF16,
        DType.F16 => WeightType.F16,
        DType.F64 => WeightType.F64,
        DType.I32 => WeightType.I32,
        DType.U8 => WeightType.U8,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a DType"),
    };
}
