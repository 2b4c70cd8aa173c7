namespace Engine.Kernels;

/// <summary>The element types of tensors.</summary>
public enum DType : byte
{
    /// <summary>32-bit IEEE float.</summary>
    F32,

    /// <summary>bfloat16 (<see cref="Engine.Kernels.BFloat16"/>).</summary>
    BF16,

    /// <summary>16-bit IEEE float (<see cref="Half"/>).</summary>
    F16,

    /// <summary>64-bit IEEE float; for references.</summary>
    F64,

    /// <summary>32-bit signed integer.</summary>
    I32,

    /// <summary>Unsigned byte.</summary>
    U8,
}

/// <summary>Facts about element types.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.F32 or DType.I32 => 4,
        DType.BF16 or DType.F16 => 2,
        DType.F64 => 8,
        DType.U8 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a DType"),
    };
}
