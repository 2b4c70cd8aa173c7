using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Runtime.Cuda;

/// <summary>
/// The part of NVIDIA's driver interface (the CUDA Driver API) that is used. Functions return a <see cref="CudaResult"/>.
/// </summary>
internal sealed unsafe partial class CudaDriver : ICudaDriver
{
    /// <summary>The driver of this machine.</summary>
    public static readonly CudaDriver Native = new();

    private const string Library = "cuda";
    private static readonly nint Handle = Load();

#pragma warning disable CA2255 // One resolver for the assembly, whose only foreign library this is.
    [ModuleInitializer]
    internal static void Resolve() =>
        NativeLibrary.SetDllImportResolver(typeof(CudaDriver).Assembly, static (name, _, _) => name == Library ? Handle : 0);
#pragma warning restore CA2255

    private CudaDriver()
    {
    }

    public bool IsInstalled => Handle != 0;

    [LibraryImport(Library, EntryPoint = "cuInit")]
    private static partial CudaResult Init(uint flags);

    [LibraryImport(Library, EntryPoint = "cuDriverGetVersion")]
    private static partial CudaResult DriverGetVersion(out int version);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetCount")]
    private static partial CudaResult DeviceGetCount(out int count);

    [LibraryImport(Library, EntryPoint = "cuDeviceGet")]
    private static partial CudaResult DeviceGet(out int device, int ordinal);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetName")]
    private static partial CudaResult DeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetAttribute")]
    private static partial CudaResult DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    private static partial CudaResult DeviceTotalMemory(out nuint bytes, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRetain")]
    private static partial CudaResult DevicePrimaryContextRetain(out nint context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    private static partial CudaResult DevicePrimaryContextRelease(int device);

    [LibraryImport(Library, EntryPoint = "cuCtxSetCurrent")]
    private static partial CudaResult ContextSetCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetDefaultMemPool")]
    private static partial CudaResult DeviceGetDefaultMemoryPool(out nint pool, int device);

    [LibraryImport(Library, EntryPoint = "cuMemPoolSetAttribute")]
    private static partial CudaResult MemoryPoolSetAttribute(nint pool, int attribute, ulong* value);

    [LibraryImport(Library, EntryPoint = "cuMemPoolTrimTo")]
    private static partial CudaResult MemoryPoolTrimTo(nint pool, nuint bytesToKeep);

    [LibraryImport(Library, EntryPoint = "cuMemAllocAsync")]
    private static partial CudaResult MemoryAllocateAsync(out nint address, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemFreeAsync")]
    private static partial CudaResult MemoryFreeAsync(nint address, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2")]
    private static partial CudaResult MemoryGetInfo(out nuint free, out nuint total);

    [LibraryImport(Library, EntryPoint = "cuMemHostAlloc")]
    private static partial CudaResult MemoryHostAllocate(out nint address, nuint bytes, uint flags);

    [LibraryImport(Library, EntryPoint = "cuMemFreeHost")]
    private static partial CudaResult MemoryHostFree(nint address);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    private static partial CudaResult CopyHostToDeviceAsync(nint device, nint host, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    private static partial CudaResult CopyDeviceToHostAsync(nint host, nint device, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoDAsync_v2")]
    private static partial CudaResult CopyDeviceToDeviceAsync(nint destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemsetD8Async")]
    private static partial CudaResult SetBytesAsync(nint device, byte value, nuint count, nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamCreate")]
    private static partial CudaResult StreamCreate(out nint stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    private static partial CudaResult StreamDestroy(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamSynchronize")]
    private static partial CudaResult StreamSynchronize(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    private static partial CudaResult StreamBeginCapture(nint stream, int mode);

    [LibraryImport(Library, EntryPoint = "cuStreamEndCapture")]
    private static partial CudaResult StreamEndCapture(nint stream, out nint graph);

    [LibraryImport(Library, EntryPoint = "cuGraphInstantiateWithFlags")]
    private static partial CudaResult GraphInstantiate(out nint executable, nint graph, ulong flags);

    [LibraryImport(Library, EntryPoint = "cuGraphLaunch")]
    private static partial CudaResult GraphLaunch(nint executable, nint stream);

    [LibraryImport(Library, EntryPoint = "cuGraphExecDestroy")]
    private static partial CudaResult GraphExecutableDestroy(nint executable);

    [LibraryImport(Library, EntryPoint = "cuGraphDestroy")]
    private static partial CudaResult GraphDestroy(nint graph);

    [LibraryImport(Library, EntryPoint = "cuEventCreate")]
    private static partial CudaResult EventCreate(out nint @event, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    private static partial CudaResult EventDestroy(nint @event);

    [LibraryImport(Library, EntryPoint = "cuEventRecord")]
    private static partial CudaResult EventRecord(nint @event, nint stream);

    [LibraryImport(Library, EntryPoint = "cuEventSynchronize")]
    private static partial CudaResult EventSynchronize(nint @event);

    [LibraryImport(Library, EntryPoint = "cuEventElapsedTime")]
    private static partial CudaResult EventElapsedTime(out float milliseconds, nint start, nint end);

    [LibraryImport(Library, EntryPoint = "cuModuleLoadDataEx")]
    private static partial CudaResult ModuleLoadData(out nint module, byte* image, uint optionCount, int* options, void** values);

    [LibraryImport(Library, EntryPoint = "cuModuleUnload")]
    private static partial CudaResult ModuleUnload(nint module);

    [LibraryImport(Library, EntryPoint = "cuModuleGetFunction", StringMarshalling = StringMarshalling.Utf8)]
    private static partial CudaResult ModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library, EntryPoint = "cuFuncSetAttribute")]
    private static partial CudaResult FunctionSetAttribute(nint function, int attribute, int value);

    [LibraryImport(Library, EntryPoint = "cuLaunchKernel")]
    private static partial CudaResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        void** parameters, void** extra);

    [LibraryImport(Library, EntryPoint = "cuTensorMapEncodeTiled")]
    private static partial CudaResult TensorMapEncodeTiled(
        byte* map, int type, uint rank, nint address, ulong* extents, ulong* strides, uint* box, uint* steps, int interleave, int swizzle,
        int promotion, int fill);

    [LibraryImport(Library, EntryPoint = "cuGetErrorName")]
    private static partial CudaResult GetErrorName(CudaResult error, out byte* name);

    [LibraryImport(Library, EntryPoint = "cuGetErrorString")]
    private static partial CudaResult GetErrorString(CudaResult error, out byte* description);

    public string Describe(CudaResult error)
    {
        if (!IsInstalled || GetErrorName(error, out byte* name) != CudaResult.Success) return $"CUDA error {(int)error}";
        _ = GetErrorString(error, out byte* description);
        return $"{Marshal.PtrToStringUTF8((nint)name)} ({Marshal.PtrToStringUTF8((nint)description)})";
    }

    private static nint Load()
    {
        string name = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        return NativeLibrary.TryLoad(name, typeof(CudaDriver).Assembly, DllImportSearchPath.SafeDirectories, out nint handle) ? handle : 0;
    }
}

/// <summary>The results that are told apart; the driver has names for all.</summary>
internal enum CudaResult
{
    Success = 0,
    InvalidValue = 1,
    OutOfMemory = 2,
    NoDevice = 100,
    EccUncorrectable = 214,
    InvalidPtx = 218,
    UnsupportedPtxVersion = 222,
    IllegalAddress = 700,
    LaunchOutOfResources = 701,
    LaunchTimeout = 702,
    AssertFailed = 710,
    HardwareStackError = 714,
    IllegalInstruction = 715,
    MisalignedAddress = 716,
    InvalidAddressSpace = 717,
    InvalidProgramCounter = 718,
    LaunchFailed = 719,
    CaptureUnsupported = 900,
    CaptureInvalidated = 901,
    Unknown = 999,
}

/// <summary>The device attributes that are asked for.</summary>
internal enum CudaDeviceAttribute
{
    MultiprocessorCount = 16,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaxSharedMemoryPerBlockOptIn = 97,
    MemoryPoolsSupported = 115,
}
