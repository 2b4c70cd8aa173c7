using System.Numerics.Tensors;
using Engine.Kernels;
using Tensor = Engine.Kernels.Tensor;

namespace Engine.Runtime;

/// <summary>
/// Tensors of a CPU backend as spans of System.Numerics.Tensors: the same memory, without a copy. A view is valid as long as the memory of
/// its tensor: until its storage is disposed or its arena reset. Nothing may write to the memory while another thread reads it.
/// </summary>
public static class TensorViews
{
    /// <summary>The elements of a tensor in its shape, to be read and written.</summary>
    /// <typeparam name="T">The type of its elements: <see cref="float"/> for F32, <see cref="BFloat16"/> for BF16, and so on.</typeparam>
    /// <exception cref="InvalidOperationException">
    /// The tensor is absent, has elements of another type, or lies in the memory of a GPU.
    /// </exception>
    public static unsafe TensorSpan<T> AsTensorSpan<T>(this Tensor tensor)
        where T : unmanaged
    {
        if (tensor.IsAbsent || typeof(T) != TypeOf(tensor.DType))
            throw new InvalidOperationException($"{nameof(tensor)} is {tensor}, which has no elements of {typeof(T).Name}");
        if (tensor.Owner is not Backend { IsHost: true })
            throw new InvalidOperationException(
                $"{nameof(tensor)} lies in the memory of a GPU; copy it with {nameof(Backend)}.{nameof(Backend.Download)}");
        Span<nint> lengths = stackalloc nint[tensor.Shape.Rank];
        for (int i = 0; i < lengths.Length; i++) lengths[i] = tensor.Shape[i];
        return new TensorSpan<T>(tensor.Pointer<T>(), (nint)tensor.Count, lengths);
    }

    /// <summary>The elements of a tensor in its shape, to be read.</summary>
    /// <inheritdoc cref="AsTensorSpan{T}"/>
    public static ReadOnlyTensorSpan<T> AsReadOnlyTensorSpan<T>(this Tensor tensor)
        where T : unmanaged
        => tensor.AsTensorSpan<T>();

    private static Type TypeOf(DType dtype) => dtype switch
    {
        DType.F32 => typeof(float),
        DType.BF16 => typeof(BFloat16),
        DType.F16 => typeof(Half),
        DType.F64 => typeof(double),
        DType.I32 => typeof(int),
        _ => typeof(byte),
    };
}
