using System.Runtime.InteropServices;
using System.Text;
using Conformance.Cases;
using Conformance.Ptx;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>
/// NVIDIA's driver, played: kernels run in the PTX interpreter, and work on a stream runs as late as the driver may run it, when somebody
/// waits. Memory that is filled again before a copy has read it, a wait during a capture and a use of memory that was returned show.
/// As with the driver, a kernel's failure ends the context: every later call returns it.
/// </summary>
internal sealed unsafe partial class FakeDriver : ICudaDriver
{
    private const nint Context = 11, Pool = 12, TheStream = 13;
    private readonly PtxMachine _machine = new() { InstructionBudget = 2_000_000_000, SharedMemoryLimit = 227 * 1024 };
    private readonly Queue<Action> _stream = new();
    private readonly Dictionary<nint, long> _live = [];
    private readonly HashSet<nint> _host = [];
    private readonly Dictionary<nint, PtxKernel> _modules = [];
    private readonly Dictionary<nint, string> _entries = [];
    private readonly Dictionary<nint, int> _sharedAllowed = [];
    private readonly Dictionary<nint, List<Action>> _graphs = [];
    private readonly Dictionary<nint, long> _events = [];
    private List<Action>? _capture;
    private bool _captureBroken;
    private CudaResult _sticky;
    private long _queued, _done;
    private nint _names = 100;

    /// <summary>Whether a driver is installed.</summary>
    public bool IsInstalled { get; init; } = true;

    /// <summary>Its version, 12040 for CUDA 12.4.</summary>
    public int Version { get; init; } = 12040;

    /// <summary>The GPUs: name, architecture, whether there are memory pools.</summary>
    public (string Name, int Major, int Minor, bool Pools)[] Devices { get; init; } = [("Fake H200", 9, 0, true)];

    /// <summary>The memory of the GPU in bytes.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;

    /// <summary>The most shared memory a block can have.</summary>
    public int MaxShared { get; init; } = 227 * 1024;

    /// <summary>A kernel in whose place another one is run.</summary>
    public (string Entry, string By) Replaced { get; init; }

    /// <summary>Bytes allocated and not returned.</summary>
    public long LiveBytes => _live.Values.Sum();

    /// <summary>How many allocations there have been.</summary>
    public int Allocations { get; private set; }

    /// <summary>How often everything was waited for.</summary>
    public int Waits { get; private set; }

    /// <summary>Calls that launched something: kernels and graphs.</summary>
    public int LaunchCalls { get; private set; }

    /// <summary>
    /// Contexts that are retained and not released, streams, events, modules, graphs and blocks of host memory that still exist.
    /// </summary>
    public int Held { get; private set; }

    public CudaResult Init(uint flags) => Devices.Length == 0 ? CudaResult.NoDevice : CudaResult.Success;

    public CudaResult DriverGetVersion(out int version) => Answer(Version, out version);

    public CudaResult DeviceGetCount(out int count) => Answer(Devices.Length, out count);

    public CudaResult DeviceGet(out int device, int ordinal) => Answer(ordinal, out device);

    public CudaResult DeviceGetName(byte* name, int length, int device)
    {
        Encoding.UTF8.GetBytes(Devices[device].Name + "\0", new Span<byte>(name, length));
        return CudaResult.Success;
    }

    public CudaResult DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device) => Answer(attribute switch
    {
        CudaDeviceAttribute.ComputeCapabilityMajor => Devices[device].Major,
        CudaDeviceAttribute.ComputeCapabilityMinor => Devices[device].Minor,
        CudaDeviceAttribute.MultiprocessorCount => 132,
        CudaDeviceAttribute.MaxSharedMemoryPerBlockOptIn => MaxShared,
        _ => Devices[device].Pools ? 1 : 0,
    }, out value);

    /// <summary>A map as the interpreter has it. What a driver would refuse is refused.</summary>
    public CudaResult TensorMapEncodeTiled(
        byte* map, int type, uint rank, nint address, ulong* extents, ulong* strides, uint* box, uint* steps, int interleave, int swizzle,
        int promotion, int fill)
    {
        const int BF16 = 9, Swizzle128 = 3;
        if ((nint)map % 64 != 0 || type != BF16 || rank != 2 || steps[0] != 1 || steps[1] != 1 || interleave != 0 || swizzle != Swizzle128
            || fill != 0) return CudaResult.InvalidValue;
        try
        {
            var bits = new TensorMapBits((ulong)address, (int)extents[0], (int)extents[1], (long)strides[0], (int)box[0], (int)box[1], 2);
            bits.Encode().CopyTo(new Span<byte>(map, TensorMapBits.Bytes));
            return CudaResult.Success;
        }
        catch (ArgumentException)
        {
            return CudaResult.InvalidValue;
        }
    }

    public CudaResult DeviceTotalMemory(out nuint bytes, int device) => Answer((nuint)MemoryBytes, out bytes);

    public CudaResult DevicePrimaryContextRetain(out nint context, int device) => Make(Context, out context);

    public CudaResult DevicePrimaryContextRelease(int device) => Drop(true);

    public CudaResult ContextSetCurrent(nint context) => context == Context ? _sticky : CudaResult.InvalidValue;

    public CudaResult DeviceGetDefaultMemoryPool(out nint pool, int device) => Answer(Pool, out pool);

    public CudaResult MemoryPoolSetAttribute(nint pool, int attribute, ulong* value) =>
        pool == Pool ? CudaResult.Success : CudaResult.InvalidValue;

    public CudaResult MemoryPoolTrimTo(nint pool, nuint bytesToKeep) => _sticky;

    public CudaResult MemoryAllocateAsync(out nint address, nuint bytes, nint stream)
    {
        address = 0;
        if (_capture is not null) return CudaResult.CaptureUnsupported;
        if (_sticky != CudaResult.Success) return _sticky;
        if (LiveBytes + (long)bytes > MemoryBytes) return CudaResult.OutOfMemory;
        address = (nint)_machine.Allocate(checked((int)bytes)).Address;
        _live.Add(address, (long)bytes);
        Allocations++;
        return CudaResult.Success;
    }

    public CudaResult MemoryFreeAsync(nint address, nint stream) =>
        _live.Remove(address) ? Enqueue(() => _machine.Free((ulong)address)) : CudaResult.InvalidValue;

    public CudaResult MemoryGetInfo(out nuint free, out nuint total)
    {
        total = (nuint)MemoryBytes;
        return Answer((nuint)(MemoryBytes - LiveBytes), out free);
    }

    public CudaResult MemoryHostAllocate(out nint address, nuint bytes, uint flags)
    {
        address = (nint)NativeMemory.AlignedAlloc(bytes, 4096);
        _host.Add(address);
        return Make(address, out address);
    }

    public CudaResult MemoryHostFree(nint address)
    {
        _ = Run(long.MaxValue);
        bool known = _host.Remove(address);
        NativeMemory.AlignedFree((void*)address);
        return Drop(known);
    }

    public CudaResult CopyHostToDeviceAsync(nint device, nint host, nuint bytes, nint stream) => Enqueue(() =>
    {
        (PtxBuffer buffer, int at) = Find(device);
        new ReadOnlySpan<byte>((void*)host, (int)bytes).CopyTo(buffer.Data[at..]);
        buffer.MarkWritten(at, (int)bytes);
    });

    public CudaResult CopyDeviceToHostAsync(nint host, nint device, nuint bytes, nint stream) => Enqueue(() =>
    {
        (PtxBuffer buffer, int at) = Find(device);
        Check.That(buffer.IsWritten(at, (int)bytes), $"{buffer.Name} is read before all of it was written");
        buffer.Data.Slice(at, (int)bytes).CopyTo(new Span<byte>((void*)host, (int)bytes));
    });

    public CudaResult CopyDeviceToDeviceAsync(nint destination, nint source, nuint bytes, nint stream) => Enqueue(() =>
    {
        (PtxBuffer from, int at) = Find(source);
        (PtxBuffer to, int place) = Find(destination);
        from.Data.Slice(at, (int)bytes).CopyTo(to.Data[place..]);
        to.MarkWritten(place, (int)bytes);
    });

    public CudaResult SetBytesAsync(nint device, byte value, nuint count, nint stream) => Enqueue(() =>
    {
        (PtxBuffer buffer, int at) = Find(device);
        buffer.Data.Slice(at, (int)count).Fill(value);
        buffer.MarkWritten(at, (int)count);
    });

    public CudaResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        void** parameters,
        void** extra)
    {
        PtxKernel kernel = _modules[function];
        if (sharedBytes > Math.Max(48 * 1024, _sharedAllowed.GetValueOrDefault(function))) return CudaResult.InvalidValue;
        object[] values = [.. kernel.Function.Parameters.Select((p, i) => new ReadOnlySpan<byte>(parameters[i], p.Bytes).ToArray())];
        LaunchCalls++;
        return Enqueue(() => _machine.Launch(kernel, new Dim3((int)gridX, (int)gridY, (int)gridZ), (int)blockX, (int)sharedBytes, values));
    }

    public string Describe(CudaResult error) => $"CUDA_ERROR_{(int)error} ({error})";

    private static CudaResult Answer<T>(T value, out T answer)
    {
        answer = value;
        return CudaResult.Success;
    }

    private CudaResult Make(nint value, out nint made)
    {
        made = value;
        Held++;
        return _sticky;
    }

    private CudaResult Drop(bool known)
    {
        if (!known) return CudaResult.InvalidValue;
        Held--;
        return CudaResult.Success;
    }

    private (PtxBuffer Buffer, int Offset) Find(nint address)
    {
        PtxBuffer buffer = _machine.Find((ulong)address >> 32)
            ?? throw new InvalidOperationException($"0x{address:x} is no memory of this device, or was returned before it was used");
        return (buffer, checked((int)((ulong)address - buffer.Address)));
    }

    private CudaResult Enqueue(Action work)
    {
        if (_sticky != CudaResult.Success) return _sticky;
        if (_capture is not null) _capture.Add(work);
        else
        {
            _stream.Enqueue(work);
            _queued++;
        }

        return CudaResult.Success;
    }

    /// <summary>Runs the stream up to a place.</summary>
    private CudaResult Run(long until)
    {
        while (_sticky == CudaResult.Success && _done < until && _stream.TryDequeue(out Action? work))
        {
            try
            {
                work();
            }
            catch (PtxFaultException fault)
            {
                _sticky = fault.Kind switch
                {
                    FaultKind.OutOfBounds => CudaResult.IllegalAddress,
                    FaultKind.Misaligned => CudaResult.MisalignedAddress,
                    FaultKind.InstructionBudget => CudaResult.LaunchTimeout,
                    FaultKind.Trap => CudaResult.LaunchFailed,
                    _ => throw new InvalidOperationException(fault.Message, fault),
                };
            }

            _done++;
        }

        return _sticky;
    }
}
