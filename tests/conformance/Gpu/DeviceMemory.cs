using System.Runtime.InteropServices;
using Engine.Kernels;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>Tensors in the memory of a device that has no backend; returned at the end.</summary>
internal sealed class DeviceMemory(GpuDevice device) : IStorageOwner, IDisposable
{
    private readonly List<Storage> _storages = [];

    /// <summary>A tensor, uninitialised.</summary>
    public Tensor Rent(DType dtype, params ReadOnlySpan<int> extents)
    {
        var shape = new Shape(extents);
        long bytes = Math.Max(16, shape.Count * dtype.Size());
        device.Enter();
        var storage = new Storage(this, device.Allocate(bytes), bytes);
        _storages.Add(storage);
        return new Tensor(storage, 0, shape, dtype);
    }

    /// <summary>A tensor of these values; absent where there are none.</summary>
    public Tensor Upload<T>(T[] values, DType dtype)
        where T : unmanaged
    {
        if (values.Length == 0) return default;
        Tensor tensor = Rent(dtype, values.Length * Marshal.SizeOf<T>() / dtype.Size());
        device.Upload(MemoryMarshal.AsBytes(values.AsSpan()), Address(tensor));
        return tensor;
    }

    /// <summary>The values of a tensor.</summary>
    public T[] Read<T>(Tensor tensor)
        where T : unmanaged
    {
        var values = new T[tensor.Count];
        device.Download(Address(tensor), MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    /// <summary>Where a tensor begins.</summary>
    public static unsafe nint Address(Tensor tensor) => (nint)tensor.Address;

    void IStorageOwner.Release(nint address, long bytes) => device.Free(address);

    public void Dispose()
    {
        foreach (Storage storage in _storages) storage.Dispose();
    }
}
