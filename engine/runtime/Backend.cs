using System.Diagnostics;
using System.Runtime.InteropServices;
using CommunityToolkit.HighPerformance.Buffers;
using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>
/// Where tensors live and operations run: memory, copies, graph capture, and <see cref="Run"/> for every operation there is, of this engine
/// or of somebody else. It may be called from several threads; each operation runs alone and uses all of the backend's threads.
/// </summary>
public abstract class Backend : IStorageOwner, IDisposable
{
    private long _liveBytes, _releases;
    private int _liveStorages;
    private readonly ThreadLocal<CancellableWork?> _work = new();
    private bool _disposed;

    /// <summary>What runs the operations, to be shown: "CPU, AVX-512, 2 threads".</summary>
    public abstract string Description { get; }

    /// <summary>What the factors of matrix products are rounded to.</summary>
    public abstract Precision Precision { get; }

    /// <summary>Bytes of all storages that are not yet disposed.</summary>
    public long LiveBytes => Interlocked.Read(ref _liveBytes);

    /// <summary>Storages that are not yet disposed.</summary>
    public int LiveStorages => Volatile.Read(ref _liveStorages);

    /// <summary>What decides the bits of results, without what does not: backends that agree in it compute the same.</summary>
    internal virtual string Arithmetic => Description;

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

    /// <summary>What the calling thread does here that may be cancelled; null: nothing.</summary>
    internal CancellableWork? WorkOfThread
    {
        get => _work.Value;
        set => _work.Value = value;
    }

    /// <summary>Whether tensors lie in the memory of this process.</summary>
    internal virtual bool IsHost => false;

    /// <summary>
    /// Where each operation notes its time; null: nowhere. While there is one, the backend is used by one thread alone. On a GPU it is the
    /// time of the launch, not that of the work.
    /// </summary>
    public Profile? Profile { get; set; }

    /// <summary>
    /// The element type of activations, and of the parameters that operations of inference read. Statistics, losses and sums are F32
    /// whatever it is.
    /// </summary>
    public virtual DType ActivationType => DType.F32;

    /// <summary>Whether launches can be captured as a graph and replayed with one call; see <see cref="GraphCache{TKey}"/>.</summary>
    public virtual bool CapturesGraphs => false;

    /// <summary>How often memory was returned.</summary>
    internal long Releases => Interlocked.Read(ref _releases);

    /// <summary>Uninitialised memory of at least one byte, aligned to 64.</summary>
    /// <exception cref="InsufficientMemoryException">The backend has no such memory; the message says how much was asked.</exception>
    public Storage Allocate(long bytes) => Allocate(bytes, ordinaryPages: false);

    /// <summary>The same; in pages of the ordinary size, if that is asked for and the memory has pages.</summary>
    internal Storage Allocate(long bytes, bool ordinaryPages)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ObjectDisposedException.ThrowIf(_disposed, this);
        bytes = Math.Max(bytes, 1);
        var storage = new Storage(this, AllocateMemory(bytes, ordinaryPages), bytes);
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

    /// <summary>Copies numbers of this process to a tensor of F32, or of BF16, to which they are rounded.</summary>
    public void UploadNumbers(ReadOnlySpan<float> source, Tensor destination)
    {
        if (destination.DType == DType.F32)
        {
            Upload(source, destination);
            return;
        }

        if (destination.DType != DType.BF16) throw new ArgumentException($"{destination} holds no numbers of F32 or BF16");
        using SpanOwner<BFloat16> buffer = SpanOwner<BFloat16>.Allocate(source.Length);
        Span<BFloat16> rounded = buffer.Span;
        for (int i = 0; i < source.Length; i++) rounded[i] = (BFloat16)source[i];
        Upload<BFloat16>(rounded, destination);
    }

    /// <summary>Copies the numbers of a tensor of F32 or BF16 to this process.</summary>
    public void DownloadNumbers(Tensor source, Span<float> destination)
    {
        if (source.DType == DType.F32)
        {
            Download(source, destination);
            return;
        }

        if (source.DType != DType.BF16) throw new ArgumentException($"{source} holds no numbers of F32 or BF16");
        using SpanOwner<BFloat16> buffer = SpanOwner<BFloat16>.Allocate(destination.Length);
        Span<BFloat16> narrow = buffer.Span;
        Download(source, narrow);
        for (int i = 0; i < destination.Length; i++) destination[i] = (float)narrow[i];
    }

    /// <summary>Copies a tensor to another one of its shape and type.</summary>
    public void Copy(Tensor source, Tensor destination)
    {
        new OperandCheck(ActivationType).Expect(destination, source.DType, source.Shape);
        using var timer = new OperationTimer(Profile, "copy", Profile is null ? default : new(source.Shape, 0, 2.0 * source.Bytes));
        CopyCore(source, destination);
    }

    /// <summary>Sets all bytes of a tensor to 0.</summary>
    public abstract void Clear(Tensor y);

    /// <summary>Lays a row-major weight <c>[out, in]</c> out for this backend's matrix product.</summary>
    /// <param name="weight">The weight; it is not needed afterwards.</param>
    /// <param name="activation">What <see cref="LinearForward"/> will apply: a gated one interleaves the halves of the weight.</param>
    /// <param name="arena">Where the result lives.</param>
    public Weight Pack(Tensor weight, Activation activation, Arena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        var operands = new OperandCheck(ActivationType);
        operands.Expect(weight, operands.TypeOf(weight), weight.Shape);
        return PackCore(new Weight(weight), activation, arena);
    }

    /// <summary>
    /// Runs an operation: checks its operands, times it if there is a <see cref="Profile"/>, and gives it the threads or the GPU and
    /// memory, alone. On a GPU it is launched and not waited for.
    /// </summary>
    /// <param name="operation">The operation with its operands.</param>
    /// <exception cref="ArgumentException">An operand is not as the operation expects.</exception>
    public void Run<TOperation>(in TOperation operation)
        where TOperation : struct, IOperation
    {
        operation.Check(new OperandCheck(ActivationType));
        CancellationToken cancellation = WorkOfThread?.Cancellation ?? default;
        cancellation.ThrowIfCancellationRequested();
        using var timer = new OperationTimer(Profile, TOperation.Name, Profile is null ? default : operation.Cost);
        RunCore(operation);
        // It may have left off before its end.
        cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// Releases the backend. Storages must have been disposed before: their memory would be gone while tensors point at it.
    /// </summary>
    /// <exception cref="InvalidOperationException">Storages are still live; nothing was released.</exception>
    public void Dispose()
    {
        if (_disposed) return;
        ReleaseScratch();
        if (LiveStorages != 0)
            throw new InvalidOperationException($"{LiveStorages} storages with {LiveBytes} bytes were not disposed before their backend");
        _disposed = true;
        Close();
        _work.Dispose();
        GC.SuppressFinalize(this);
    }

    void IStorageOwner.Release(nint address, long bytes)
    {
        Interlocked.Increment(ref _releases);
        FreeMemory(address);
        Interlocked.Add(ref _liveBytes, -bytes);
        Interlocked.Decrement(ref _liveStorages);
    }

    /// <summary>Captures what the work launches as a graph, without running it.</summary>
    /// <param name="work">Only launches: no upload, no download, no memory allocated or returned.</param>
    internal virtual CapturedGraph Capture(Action work) => throw new NotSupportedException($"{Description} captures no graphs");

    /// <summary>Replays a graph and returns true, or returns false where memory was returned since it was captured.</summary>
    internal virtual bool Replay(CapturedGraph graph) => throw new NotSupportedException($"{Description} captures no graphs");

    /// <summary>Gets memory, or throws <see cref="InsufficientMemoryException"/>.</summary>
    private protected abstract nint AllocateMemory(long bytes, bool ordinaryPages);

    private protected abstract void FreeMemory(nint address);

    private protected abstract void CopyIn(ReadOnlySpan<byte> source, Tensor destination);

    private protected abstract void CopyOut(Tensor source, Span<byte> destination);

    private protected abstract void CopyCore(Tensor source, Tensor destination);

    private protected abstract Weight PackCore(in Weight weight, Activation activation, Arena arena);

    private protected abstract void RunCore<TOperation>(in TOperation operation)
        where TOperation : struct, IOperation;

    /// <summary>Disposes the storages that the backend holds for itself.</summary>
    private protected abstract void ReleaseScratch();

    /// <summary>Releases threads, contexts and the like.</summary>
    private protected abstract void Close();

    private static Tensor SameSize(Tensor tensor, int bytes) =>
        tensor.Bytes == bytes ? tensor : throw new ArgumentException($"{tensor} has {tensor.Bytes} bytes, the span {bytes}");
}
