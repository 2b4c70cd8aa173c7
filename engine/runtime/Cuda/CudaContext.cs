using System.Runtime.InteropServices;
using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

/// <summary>
/// The use of one GPU: its primary context, one stream on which everything runs in order, a memory pool, and the kernels loaded so far.
/// Not thread-safe: its backend lets one thread in at a time. Any thread may be that one.
/// </summary>
internal sealed unsafe class CudaContext : GpuDevice
{
    private const int ReleaseThreshold = 4, MaxDynamicSharedAttribute = 8, ThreadLocalCapture = 1;
    private const uint NonBlockingStream = 1;
    private const int LogBytes = 8192;

    private readonly int _device;
    private readonly nint _context, _pool;
    private readonly Dictionary<string, nint> _functions = [];
    private readonly List<nint> _modules = [];
    private readonly string[] _recent = new string[8];
    private readonly PinnedStaging _staging;
    private long _launches;
    private string? _fault;
    private bool _capturing;

    public CudaContext(CudaDevice device)
    {
        Description = $"{device.Name}, compute capability {device.ComputeCapability}, {device.MemoryBytes >> 20} MiB";
        Check(CudaDriver.DeviceGet(out _device, device.Index), "cuDeviceGet");
        Check(CudaDriver.DevicePrimaryContextRetain(out _context, _device), "cuDevicePrimaryCtxRetain");
        Enter();
        Check(CudaDriver.StreamCreate(out nint stream, NonBlockingStream), "cuStreamCreate");
        Stream = stream;
        Check(CudaDriver.DeviceGetDefaultMemoryPool(out _pool, _device), "cuDeviceGetDefaultMemPool");

        // Memory that was returned stays with the pool: allocating it again costs nothing.
        ulong everything = ulong.MaxValue;
        Check(CudaDriver.MemoryPoolSetAttribute(_pool, ReleaseThreshold, &everything), "cuMemPoolSetAttribute");
        MaxSharedBytes = Attribute(_device, CudaDeviceAttribute.MaxSharedMemoryPerBlockOptIn);
        _staging = new PinnedStaging(this);
    }

    public override string Description { get; }

    public nint Stream { get; }

    /// <summary>The most shared memory that a block can have.</summary>
    public int MaxSharedBytes { get; }

    /// <summary>Throws what the driver has against a call that no kernel's failure can be behind.</summary>
    public static void Check(CudaResult result, string call)
    {
        if (result != CudaResult.Success) throw new CudaException(result, $"{call}: {CudaDriver.Describe(result)}");
    }

    public static int Attribute(int device, CudaDeviceAttribute attribute)
    {
        Check(CudaDriver.DeviceGetAttribute(out int value, attribute, device), "cuDeviceGetAttribute");
        return value;
    }

    /// <summary>Makes the context this thread's, unless it was lost.</summary>
    public override void Enter()
    {
        if (_fault is not null) throw new CudaException(CudaResult.LaunchFailed, _fault);
        Check(CudaDriver.ContextSetCurrent(_context), "cuCtxSetCurrent");
    }

    /// <summary>Waits until everything has run.</summary>
    public void Synchronize()
    {
        CheckWork(CudaDriver.StreamSynchronize(Stream), "cuStreamSynchronize");
        _launches = 0;
    }

    public override nint Allocate(long bytes)
    {
        if (_capturing) throw new InvalidOperationException("memory is allocated while a graph is recorded: run the step once before, so that its arenas have grown");
        CudaResult result = CudaDriver.MemoryAllocateAsync(out nint address, (nuint)bytes, Stream);
        if (result == CudaResult.OutOfMemory)
        {
            // What the pool keeps may be in pieces that do not fit.
            Synchronize();
            Check(CudaDriver.MemoryPoolTrimTo(_pool, 0), "cuMemPoolTrimTo");
            result = CudaDriver.MemoryAllocateAsync(out address, (nuint)bytes, Stream);
        }

        if (result == CudaResult.OutOfMemory)
        {
            Check(CudaDriver.MemoryGetInfo(out nuint free, out nuint total), "cuMemGetInfo");
            throw new InsufficientMemoryException(
                $"no GPU memory for {Mebibytes(bytes)}: {Mebibytes((long)free)} of {Mebibytes((long)total)} are free; fewer tokens a batch need less (--batch-tokens)");
        }

        CheckWork(result, "cuMemAllocAsync");
        return address;
    }

    /// <summary>Returns memory; after a failure there is nothing to return it to.</summary>
    public override void Free(nint address)
    {
        if (_fault is not null || CudaDriver.ContextSetCurrent(_context) != CudaResult.Success) return;
        CheckWork(CudaDriver.MemoryFreeAsync(address, Stream), "cuMemFreeAsync");
    }

    public override void Upload(ReadOnlySpan<byte> source, nint destination) => _staging.Upload(source, destination);

    public override void Download(nint source, Span<byte> destination) => _staging.Download(source, destination);

    public override void Copy(nint source, nint destination, long bytes) =>
        CheckWork(CudaDriver.CopyDeviceToDeviceAsync(destination, source, (nuint)bytes, Stream), "cuMemcpyDtoDAsync");

    public override void Clear(nint destination, long bytes) => CheckWork(CudaDriver.SetBytesAsync(destination, 0, (nuint)bytes, Stream), "cuMemsetD8Async");

    public override CudaGraph Record(Action step)
    {
        Check(CudaDriver.StreamBeginCapture(Stream, ThreadLocalCapture), "cuStreamBeginCapture");
        _capturing = true;
        nint graph = 0;
        try
        {
            step();
        }
        finally
        {
            _capturing = false;
            CudaResult ended = CudaDriver.StreamEndCapture(Stream, out graph);
            if (ended != CudaResult.Success) graph = 0;
        }

        if (graph == 0) throw new InvalidOperationException("the step waits for the GPU while it is recorded: it can only launch");
        return new CudaGraph(this, graph);
    }

    public override double Time(Action work)
    {
        Check(CudaDriver.EventCreate(out nint start, 0), "cuEventCreate");
        Check(CudaDriver.EventCreate(out nint end, 0), "cuEventCreate");
        try
        {
            CheckWork(CudaDriver.EventRecord(start, Stream), "cuEventRecord");
            work();
            CheckWork(CudaDriver.EventRecord(end, Stream), "cuEventRecord");
            Synchronize();
            Check(CudaDriver.EventElapsedTime(out float milliseconds, start, end), "cuEventElapsedTime");
            return milliseconds;
        }
        finally
        {
            _ = CudaDriver.EventDestroy(start);
            _ = CudaDriver.EventDestroy(end);
        }
    }

    /// <summary>Throws what is against a call on the stream. It may be the failure of a kernel launched before: that is final.</summary>
    public void CheckWork(CudaResult result, string call)
    {
        if (result == CudaResult.Success) return;
        string message = $"{call}: {CudaDriver.Describe(result)}";
        if (!IsFinal(result)) throw new CudaException(result, message);
        _fault = $"the GPU has stopped: {message}. {Suspects()}";
        throw new CudaException(result, _fault);
    }

    public override void Dispose()
    {
        base.Dispose();
        if (CudaDriver.ContextSetCurrent(_context) == CudaResult.Success && _fault is null)
        {
            _staging.Dispose();
            foreach (nint module in _modules) _ = CudaDriver.ModuleUnload(module);
            _ = CudaDriver.StreamDestroy(Stream);
            _ = CudaDriver.MemoryPoolTrimTo(_pool, 0);
        }

        _ = CudaDriver.DevicePrimaryContextRelease(_device);
    }

    protected override void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared)
    {
        nint function = Function(kernel);
        CudaResult result = CudaDriver.LaunchKernel(
            function, (uint)gridX, (uint)gridY, (uint)gridZ, (uint)kernel.Threads, 1, 1, (uint)dynamicShared, Stream, arguments.Pointers, null);
        _recent[_launches++ % _recent.Length] = kernel.Entry;
        CheckWork(result, kernel.Entry);
    }

    /// <summary>The kernels that may have failed, for people.</summary>
    internal static string Suspects(ReadOnlySpan<string> recent, long launches) => launches switch
    {
        0 => "No kernel was under way",
        1 => $"The kernel under way was {recent[0]}",
        _ => $"Of the kernels under way the last were {string.Join(", ", Last(recent, launches))}; with CUDA_LAUNCH_BLOCKING=1 in the environment the message names the one that failed",
    };

    private string Suspects() => Suspects(_recent, _launches);

    private static List<string> Last(ReadOnlySpan<string> recent, long launches)
    {
        var names = new List<string>();
        for (long i = Math.Max(0, launches - recent.Length); i < launches; i++) names.Add(recent[(int)(i % recent.Length)]);
        return names;
    }

    private static bool IsFinal(CudaResult result) => result is CudaResult.IllegalAddress or CudaResult.LaunchTimeout or CudaResult.AssertFailed
        or CudaResult.HardwareStackError or CudaResult.IllegalInstruction or CudaResult.MisalignedAddress or CudaResult.InvalidAddressSpace
        or CudaResult.InvalidProgramCounter or CudaResult.LaunchFailed;

    private static string Mebibytes(long bytes) => $"{bytes / 1048576.0:N0} MiB";

    private nint Function(CompiledKernel kernel)
    {
        if (_functions.TryGetValue(kernel.Entry, out nint function)) return function;
        if (kernel.DynamicShared + kernel.StaticShared > MaxSharedBytes)
            throw new NotSupportedException($"{kernel.Entry} needs {kernel.DynamicShared + kernel.StaticShared} bytes of shared memory, this GPU has {MaxSharedBytes}");
        function = Load(kernel);
        if (kernel.DynamicShared > 0)
            Check(CudaDriver.FunctionSetAttribute(function, MaxDynamicSharedAttribute, kernel.DynamicShared), "cuFuncSetAttribute");
        _functions.Add(kernel.Entry, function);
        return function;
    }

    private nint Load(CompiledKernel kernel)
    {
        // CU_JIT_ERROR_LOG_BUFFER and its size, which comes back as what was written.
        int* options = stackalloc int[] { 5, 6 };
        void** values = stackalloc void*[2];
        byte[] log = new byte[LogBytes];
        fixed (byte* text = KernelManifest.Text(kernel))
        fixed (byte* buffer = log)
        {
            values[0] = buffer;
            values[1] = (void*)LogBytes;
            CudaResult result = CudaDriver.ModuleLoadData(out nint module, text, 2, options, values);
            if (result != CudaResult.Success)
                throw new CudaException(result, $"the driver does not compile {kernel.Entry}: {CudaDriver.Describe(result)}. {Marshal.PtrToStringUTF8((nint)buffer)}".TrimEnd());
            _modules.Add(module);
            Check(CudaDriver.ModuleGetFunction(out nint function, module, kernel.Entry), "cuModuleGetFunction");
            return function;
        }
    }
}
