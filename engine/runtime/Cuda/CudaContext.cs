using System.Runtime.InteropServices;
using Engine.Kernels;
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

    // CUDA 12.0: the first with PTX 8.0 and tensor maps.
    private const int OldestHopperDriver = 12000;
    private const int LogBytes = 8192;

    private static readonly Version Hopper = new(9, 0);

    private readonly ICudaDriver _driver;
    private readonly int _device;
    private readonly nint _context, _pool;
    private readonly Dictionary<string, Function> _functions = [];
    private readonly List<nint> _modules = [];
    private readonly string[] _recent = new string[8];
    private readonly List<string> _checking = [];
    private readonly PinnedStaging _staging;
    private long _launches;
    private CudaException? _fault;
    private List<CompiledKernel>? _captured;

    /// <param name="driver">The driver.</param>
    /// <param name="device">The GPU.</param>
    /// <param name="library">The kernels; without one, those that were compiled ahead.</param>
    public CudaContext(ICudaDriver driver, CudaDevice device, KernelLibrary? library = null)
        : base(library)
    {
        _driver = driver;
        Description = $"{device.Name}, compute capability {device.ComputeCapability}, {device.MemoryBytes >> 20} MiB";
        ComputeCapability = device.ComputeCapability;
        driver.Check(driver.DriverGetVersion(out int version), "cuDriverGetVersion");
        IsHopper = device.ComputeCapability == Hopper && version >= OldestHopperDriver;
        driver.Check(driver.DeviceGet(out _device, device.Index), "cuDeviceGet");
        driver.Check(driver.DevicePrimaryContextRetain(out _context, _device), "cuDevicePrimaryCtxRetain");
        Enter();
        driver.Check(driver.StreamCreate(out nint stream, NonBlockingStream), "cuStreamCreate");
        Stream = stream;
        driver.Check(driver.DeviceGetDefaultMemoryPool(out _pool, _device), "cuDeviceGetDefaultMemPool");

        // Memory that was returned stays with the pool: allocating it again costs nothing.
        ulong everything = ulong.MaxValue;
        driver.Check(driver.MemoryPoolSetAttribute(_pool, ReleaseThreshold, &everything), "cuMemPoolSetAttribute");
        MaxSharedBytes = driver.Attribute(_device, CudaDeviceAttribute.MaxSharedMemoryPerBlockOptIn);
        _staging = new PinnedStaging(driver, this);
    }

    public override string Description { get; }

    public override Version ComputeCapability { get; }

    public override bool IsHopper { get; }

    public override bool CapturesGraphs => true;

    public override nint Stream { get; }

    public override int MaxSharedBytes { get; }

    /// <summary>Makes the context this thread's, unless it was lost.</summary>
    public override void Enter()
    {
        if (_fault is not null) throw new CudaException((CudaResult)_fault.Code, _fault.Message);
        _driver.Check(_driver.ContextSetCurrent(_context), "cuCtxSetCurrent");
    }

    /// <summary>Waits until everything has run.</summary>
    public void Synchronize()
    {
        CheckWork(_driver.StreamSynchronize(Stream), "cuStreamSynchronize");
        _launches = 0;
        _checking.Clear();
    }

    public override nint Allocate(long bytes)
    {
        Forbid("memory is allocated");
        CudaResult result = _driver.MemoryAllocateAsync(out nint address, (nuint)bytes, Stream);
        if (result == CudaResult.OutOfMemory)
        {
            // What the pool keeps may be in pieces that do not fit.
            Synchronize();
            _driver.Check(_driver.MemoryPoolTrimTo(_pool, 0), "cuMemPoolTrimTo");
            result = _driver.MemoryAllocateAsync(out address, (nuint)bytes, Stream);
        }

        if (result == CudaResult.OutOfMemory)
        {
            _driver.Check(_driver.MemoryGetInfo(out nuint free, out nuint total), "cuMemGetInfo");
            throw new DeviceMemoryException(bytes, (long)free, (long)total);
        }

        CheckWork(result, "cuMemAllocAsync");
        return address;
    }

    /// <summary>Returns memory; after a failure there is nothing to return it to.</summary>
    public override void Free(nint address)
    {
        Forbid("memory is returned");
        if (_fault is not null || _driver.ContextSetCurrent(_context) != CudaResult.Success) return;
        CheckWork(_driver.MemoryFreeAsync(address, Stream), "cuMemFreeAsync");
    }

    public override void Upload(ReadOnlySpan<byte> source, nint destination)
    {
        Forbid("data is uploaded");
        _staging.Upload(source, destination);
    }

    public override void Download(nint source, Span<byte> destination) => _staging.Download(source, destination);

    public override void Copy(nint source, nint destination, long bytes) =>
        CheckWork(_driver.CopyDeviceToDeviceAsync(destination, source, (nuint)bytes, Stream), "cuMemcpyDtoDAsync");

    public override void Clear(nint destination, long bytes) =>
        CheckWork(_driver.SetBytesAsync(destination, 0, (nuint)bytes, Stream), "cuMemsetD8Async");

    public override void EncodeTensorMap(nint matrix, long rows, long columns, Span<byte> map)
    {
        // CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, _INTERLEAVE_NONE, _SWIZZLE_128B, _L2_PROMOTION_L2_256B, _FLOAT_OOB_FILL_NONE.
        const int BF16 = 9, NotInterleaved = 0, Swizzle128 = 3, Promotion256 = 3, Zeros = 0;
        ulong* extents = stackalloc ulong[] { (ulong)columns, (ulong)rows }, stride = stackalloc ulong[] { 2 * (ulong)columns };
        uint* box = stackalloc uint[] { 64, 64 }, steps = stackalloc uint[] { 1, 1 };
        fixed (byte* target = map)
            _driver.Check(
                _driver.TensorMapEncodeTiled(
                    target, BF16, 2, matrix, extents, stride, box, steps, NotInterleaved, Swizzle128, Promotion256, Zeros),
                "cuTensorMapEncodeTiled");
    }

    public override CudaGraph Capture(Action step)
    {
        _driver.Check(_driver.StreamBeginCapture(Stream, ThreadLocalCapture), "cuStreamBeginCapture");
        List<CompiledKernel> kernels = _captured = [];
        nint graph = 0;
        try
        {
            step();
        }
        finally
        {
            _captured = null;
            CudaResult ended = _driver.StreamEndCapture(Stream, out graph);
            if (ended != CudaResult.Success) graph = 0;
        }

        if (graph == 0) throw new InvalidOperationException("the step waits for the GPU while it is captured: it can only launch");
        return new CudaGraph(_driver, this, graph, kernels);
    }

    public override double Time(Action work)
    {
        _driver.Check(_driver.EventCreate(out nint start, 0), "cuEventCreate");
        _driver.Check(_driver.EventCreate(out nint end, 0), "cuEventCreate");
        try
        {
            CheckWork(_driver.EventRecord(start, Stream), "cuEventRecord");
            work();
            CheckWork(_driver.EventRecord(end, Stream), "cuEventRecord");
            Synchronize();
            _driver.Check(_driver.EventElapsedTime(out float milliseconds, start, end), "cuEventElapsedTime");
            return milliseconds;
        }
        finally
        {
            _ = _driver.EventDestroy(start);
            _ = _driver.EventDestroy(end);
        }
    }

    /// <summary>Throws what is against a call on the stream. It may be the failure of a kernel launched before: that is final.</summary>
    public void CheckWork(CudaResult result, string call)
    {
        if (result == CudaResult.Success) return;
        string message = $"{call}: {_driver.Describe(result)}";
        if (!IsFinal(result)) throw new CudaException(result, message);
        throw _fault = new CudaException(result, $"the GPU has stopped: {message}. {Suspects()}");
    }

    public override void Dispose()
    {
        base.Dispose();
        if (_driver.ContextSetCurrent(_context) == CudaResult.Success && _fault is null)
        {
            _staging.Dispose();
            foreach (nint module in _modules) _ = _driver.ModuleUnload(module);
            _ = _driver.StreamDestroy(Stream);
            _ = _driver.MemoryPoolTrimTo(_pool, 0);
        }

        _ = _driver.DevicePrimaryContextRelease(_device);
    }

    protected override void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared)
    {
        Function function = Load(kernel);
        CudaResult result = _driver.LaunchKernel(
            function.Handle, (uint)gridX, (uint)gridY, (uint)gridZ, (uint)kernel.Threads, 1, 1, (uint)dynamicShared, Stream,
            arguments.Pointers, null);
        if (_captured is null) Note(kernel);
        else _captured.Add(kernel);
        CheckWork(result, kernel.Entry);
    }

    /// <summary>Remembers a kernel that is under way, to name it if something fails.</summary>
    internal void Note(CompiledKernel kernel)
    {
        _recent[_launches++ % _recent.Length] = kernel.Entry;
        if (_functions[kernel.Entry].ChecksIndices && !_checking.Contains(kernel.Entry)) _checking.Add(kernel.Entry);
    }

    /// <summary>The kernels that may have failed, for people.</summary>
    internal static string Suspects(ReadOnlySpan<string> recent, long launches) => launches switch
    {
        0 => "No kernel was under way",
        1 => $"The kernel under way was {recent[0]}",
        _ =>
            $"Of the kernels under way the last were {string.Join(", ", Last(recent, launches))}; with CUDA_LAUNCH_BLOCKING=1 in the "
                + "environment the message names the one that failed",
    };

    /// <summary>Where kernels check the indices they are given, what that may mean; else nothing.</summary>
    internal static string Checking(IReadOnlyList<string> kernels) => kernels.Count == 0
        ? ""
        : $". {string.Join(" and ", kernels)} stop the GPU so at an index outside a table: a token id beyond the vocabulary, "
        + "or a label beyond the classes";

    private void Forbid(string what)
    {
        if (_captured is not null)
            throw new InvalidOperationException(
                $"{what} while a graph is captured: run the step once before, so that its arenas have grown, with its inputs outside");
    }

    private string Suspects() => Suspects(_recent, _launches) + Checking(_checking);

    private static List<string> Last(ReadOnlySpan<string> recent, long launches)
    {
        var names = new List<string>();
        for (long i = Math.Max(0, launches - recent.Length); i < launches; i++) names.Add(recent[(int)(i % recent.Length)]);
        return names;
    }

    /// <summary>Whether a result is the failure of a kernel, after which a context is lost.</summary>
    internal static bool IsFinal(CudaResult result) =>
        result is CudaResult.IllegalAddress or CudaResult.LaunchTimeout or CudaResult.AssertFailed
        or CudaResult.HardwareStackError or CudaResult.IllegalInstruction or CudaResult.MisalignedAddress or CudaResult.InvalidAddressSpace
        or CudaResult.InvalidProgramCounter or CudaResult.LaunchFailed or CudaResult.EccUncorrectable or CudaResult.Unknown;

    private Function Load(CompiledKernel kernel)
    {
        if (_functions.TryGetValue(kernel.Entry, out Function function)) return function;
        byte[] text = Library.Text(kernel);
        function = new(Compile(kernel, text), text.AsSpan().IndexOf("trap;"u8) >= 0);

        // A kernel whose need grows with a size is allowed what this GPU has; a launch that needs more is refused.
        int dynamic = Math.Min(kernel.DynamicShared, MaxSharedBytes - kernel.StaticShared);
        if (dynamic > 0)
            _driver.Check(_driver.FunctionSetAttribute(function.Handle, MaxDynamicSharedAttribute, dynamic), "cuFuncSetAttribute");
        _functions.Add(kernel.Entry, function);
        return function;
    }

    private nint Compile(CompiledKernel kernel, byte[] text)
    {
        // CU_JIT_ERROR_LOG_BUFFER and its size, which comes back as what was written.
        int* options = stackalloc int[] { 5, 6 };
        void** values = stackalloc void*[2];
        byte[] log = new byte[LogBytes];
        fixed (byte* image = text)
        fixed (byte* buffer = log)
        {
            values[0] = buffer;
            values[1] = (void*)LogBytes;
            CudaResult result = _driver.ModuleLoadData(out nint module, image, 2, options, values);
            if (result != CudaResult.Success)
            {
                string said = Marshal.PtrToStringUTF8((nint)buffer) ?? "";
                throw new CudaException(
                    result, $"the driver does not compile {kernel.Entry}: {_driver.Describe(result)}. {said}".TrimEnd());
            }

            _modules.Add(module);
            _driver.Check(_driver.ModuleGetFunction(out nint function, module, kernel.Entry), "cuModuleGetFunction");
            return function;
        }
    }

    /// <summary>A loaded kernel, and whether it stops the GPU at an index outside a table.</summary>
    private readonly record struct Function(nint Handle, bool ChecksIndices);
}
