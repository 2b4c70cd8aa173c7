
namespace Engine.Kernels;

/// <summary>
/// A contiguous, row-major view of a <see cref="Storage"/>. It owns nothing: the storage, or the arena it came from, does.
/// The default value is "no tensor", for operands that may be absent.
/// </summary>
public readonly struct Tensor
{
    private readonly Storage? _storage;
    private readonly long _offset;

    internal Tensor(Storage storage, long offset, Shape shape, DType dtype)
    {
        if (offset < 0 || offset + (shape.Count * dtype.Size()) > storage.Bytes)
            throw new ArgumentException($"{dtype} {shape} at byte {offset} exceeds a storage of {storage.Bytes} bytes");
        (_storage, _offset, Shape, DType) = (storage, offset, shape, dtype);
    }

    /// <summary>The extents.</summary>
    public Shape Shape { get; }

    /// <summary>The element type.</summary>
    public DType DType { get; }

    /// <summary>Whether both view the same memory.</summary>
    internal bool IsSameAs(Tensor other) => ReferenceEquals(_storage, other._storage) && _offset == other._offset;

    /// <summary>Whether this is "no tensor".</summary>
    public bool IsAbsent => _storage is null;

    /// <summary>The number of elements.</summary>
    public long Count => Shape.Count;

    /// <summary>The size in bytes.</summary>
    public long Bytes => Count * DType.Size();

    /// <summary>The backend whose memory it views; null for "no tensor".</summary>
    internal IStorageOwner? Owner => _storage?.Owner;

    /// <summary>The address of the first element in the backend's address space; null for "no tensor".</summary>
    internal unsafe void* Address => _storage is null ? null : (byte*)_storage.Address + _offset;

    /// <summary>
    /// The address of the first element in the address space of its backend, null for "no tensor": for the CPU forms of operations, which
    /// alone may read it, and only while they run.
    /// </summary>
    /// <exception cref="InvalidOperationException">The elements have another size.</exception>
    public unsafe T* Pointer<T>()
        where T : unmanaged
    {
        if (!IsAbsent && sizeof(T) != DType.Size())
            throw new InvalidOperationException($"{DType} {Shape} has no elements of {typeof(T).Name}");
        return (T*)Address;
    }

    /// <summary>A tensor of this shape that begins at an element of this one.</summary>
    /// <exception cref="ArgumentException">It would reach past the end.</exception>
    public Tensor Slice(long element, Shape shape) =>
        element >= 0 && element + shape.Count <= Count
            ? new Tensor(_storage!, _offset + (element * DType.Size()), shape, DType)
            : throw new ArgumentException($"{shape} at element {element} exceeds {this}");

    /// <summary>
    /// This tensor, F32 [heads, entries], as a table that score modifications look up on its backend; it must outlive them.
    /// </summary>
    /// <exception cref="ArgumentException">It is no such tensor.</exception>
    public unsafe BiasTable AsBiasTable() => !IsAbsent && DType == DType.F32 && Shape.Rank == 2 && Count > 0
        ? new BiasTable((long)Address, Shape[0], Shape[1])
        : throw new ArgumentException($"a table of biases is F32 [heads, entries], not {this}");

    /// <summary>The elements, for tensors in the memory of this process.</summary>
    /// <exception cref="InvalidOperationException">The element type differs, or there are more than 2³¹ − 1 elements.</exception>
    internal unsafe Span<T> Span<T>()
        where T : unmanaged
    {
        if (sizeof(T) != DType.Size() || Count > int.MaxValue)
            throw new InvalidOperationException($"{DType} {Shape} has no span of {typeof(T).Name}");
        return new Span<T>(Address, (int)Count);
    }

    /// <inheritdoc/>
    public override string ToString() => IsAbsent ? "absent" : $"{DType} {Shape}";
}
