using System.Diagnostics;
using System.Runtime.InteropServices;
using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>
/// Where tensors live and operations run: one method per operation, which checks the operands, and one to implement. Operations may be
/// called from several threads; each runs alone and uses all of the backend's threads.
/// </summary>
public abstract partial class Backend : IDisposable
{
    private long _liveBytes;
    private int _liveStorages;
    private bool _disposed;

    /// <summary>What runs the operations, for people: «CPU, AVX-512, 2 threads».</summary>
    public abstract string Description { get; }

    /// <summary>Bytes of all storages that are not yet disposed.</summary>
    public long LiveBytes => Interlocked.Read(ref _liveBytes);

    /// <summary>Storages that are not yet disposed.</summary>
    public int LiveStorages => Volatile.Read(ref _liveStorages);

    /// <summary>
    /// Measures the most operations of matrix products that the machine does, in 10⁹ a second; see <see cref="MachinePeak"/>. 0 where that
    /// is not known.
    /// </summary>
    public virtual double MeasurePeak() => 0;

    /// <summary>Seconds that the operations which the action calls take; on a GPU by its own clock.</summary>
    public virtual double Seconds(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Whether tensors lie in the memory of this process.</summary>
    internal virtual bool IsHost => false;

    /// <summary>
    /// Where each operation notes its time; null: nowhere. While there is one, the backend is used by one thread alone. On a GPU it is the
    /// time of the launch, not that of the work.
    /// </summary>
    public Profile? Profile { get; set; }

    /// <summary>Uninitialised memory of at least one byte, aligned to 64.</summary>
    /// <exception cref="InsufficientMemoryException">The backend has no such memory; the message says how much was asked.</exception>
    public Storage Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ObjectDisposedException.ThrowIf(_disposed, this);
        bytes = Math.Max(bytes, 1);
        var storage = new Storage(this, AllocateMemory(bytes), bytes);
        Interlocked.Add(ref _liveBytes, bytes);
        Interlocked.Increment(ref _liveStorages);
        return storage;
    }

    /// <summary>Copies elements of this process to a tensor.</summary>
    public void Upload<T>(ReadOnlySpan<T> source, Tensor destination)
        where T : unmanaged
        => CopyIn(MemoryMarshal.AsBytes(source), SameSize(destination, MemoryMarshal.AsBytes(source).Length));

    /// <summary>Copies the elements of a tensor to this process.</summary>
    public void Download<T>(Tensor source, Span<T> destination)
        where T : unmanaged
        => CopyOut(SameSize(source, MemoryMarshal.AsBytes(destination).Length), MemoryMarshal.AsBytes(destination));

    /// <summary>Copies a tensor to another one of its shape and type.</summary>
    public void Copy(Tensor source, Tensor destination)
    {
        Expect(destination, "destination", source.DType, source.Shape);
        using OperationTimer timer = Time("copy", source.Shape, 0, 2.0 * source.Bytes);
        CopyCore(source, destination);
    }

    /// <summary>
    /// Releases the backend. Storages must have been disposed before: their memory would be gone while tensors point at it.
    /// </summary>
    /// <exception cref="InvalidOperationException">Storages are still live; nothing was released.</exception>
    public void Dispose()
    {
        if (_disposed) return;
        ReleaseScratch();
        if (LiveStorages != 0) throw new InvalidOperationException($"{LiveStorages} storages with {LiveBytes} bytes were not disposed before their backend");
        _disposed = true;
        Close();
        GC.SuppressFinalize(this);
    }

    internal void Release(nint address, long bytes)
    {
        FreeMemory(address);
        Interlocked.Add(ref _liveBytes, -bytes);
        Interlocked.Decrement(ref _liveStorages);
    }

    /// <summary>Gets memory, or throws <see cref="InsufficientMemoryException"/>.</summary>
    private protected abstract nint AllocateMemory(long bytes);

    private protected abstract void FreeMemory(nint address);

    private protected abstract void CopyIn(ReadOnlySpan<byte> source, Tensor destination);

    private protected abstract void CopyOut(Tensor source, Span<byte> destination);

    private protected abstract void CopyCore(Tensor source, Tensor destination);

    /// <summary>Disposes the storages that the backend holds for itself.</summary>
    private protected abstract void ReleaseScratch();

    /// <summary>Releases threads, contexts and the like.</summary>
    private protected abstract void Close();

    private OperationTimer Time(string name, Shape shape, double flops, double bytes) => new(Profile, name, shape, flops, bytes);

    private static Tensor SameSize(Tensor tensor, int bytes) =>
        tensor.Bytes == bytes ? tensor : throw new ArgumentException($"{tensor} has {tensor.Bytes} bytes, the span {bytes}");
}
