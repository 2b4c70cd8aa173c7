using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Runtime.Cuda;

/// <summary>The part of NVIDIA's driver interface («CUDA Driver API») that is used. Functions return a <see cref="CudaResult"/>.</summary>
internal static unsafe partial class CudaDriver
{
    private const string Library = "cuda";
    private static readonly nint Handle = Load();

#pragma warning disable CA2255 // One resolver for the assembly, whose only foreign library this is.
    [ModuleInitializer]
    internal static void Resolve() =>
        NativeLibrary.SetDllImportResolver(typeof(CudaDriver).Assembly, static (name, _, _) => name == Library ? Handle : 0);
#pragma warning restore CA2255

    /// <summary>Whether the driver's library is installed.</summary>
    public static bool IsInstalled => Handle != 0;

    [LibraryImport(Library, EntryPoint = "cuInit")]
    public static partial CudaResult Init(uint flags);

    [LibraryImport(Library, EntryPoint = "cuDriverGetVersion")]
    public static partial CudaResult DriverGetVersion(out int version);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetCount")]
    public static partial CudaResult DeviceGetCount(out int count);

    [LibraryImport(Library, EntryPoint = "cuDeviceGet")]
    public static partial CudaResult DeviceGet(out int device, int ordinal);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetName")]
    public static partial CudaResult DeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetAttribute")]
    public static partial CudaResult DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    public static partial CudaResult DeviceTotalMemory(out nuint bytes, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRetain")]
    public static partial CudaResult DevicePrimaryContextRetain(out nint context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static partial CudaResult DevicePrimaryContextRelease(int device);

    [LibraryImport(Library, EntryPoint = "cuCtxSetCurrent")]
    public static partial CudaResult ContextSetCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetDefaultMemPool")]
    public static partial CudaResult DeviceGetDefaultMemoryPool(out nint pool, int device);

    [LibraryImport(Library, EntryPoint = "cuMemPoolSetAttribute")]
    public static partial CudaResult MemoryPoolSetAttribute(nint pool, int attribute, ulong* value);

    [LibraryImport(Library, EntryPoint = "cuMemPoolTrimTo")]
    public static partial CudaResult MemoryPoolTrimTo(nint pool, nuint bytesToKeep);

    [LibraryImport(Library, EntryPoint = "cuMemAllocAsync")]
    public static partial CudaResult MemoryAllocateAsync(out nint address, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemFreeAsync")]
    public static partial CudaResult MemoryFreeAsync(nint address, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2")]
    public static partial CudaResult MemoryGetInfo(out nuint free, out nuint total);

    [LibraryImport(Library, EntryPoint = "cuMemHostAlloc")]
    public static partial CudaResult MemoryHostAllocate(out nint address, nuint bytes, uint flags);

    [LibraryImport(Library, EntryPoint = "cuMemFreeHost")]
    public static partial CudaResult MemoryHostFree(nint address);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    public static partial CudaResult CopyHostToDeviceAsync(nint device, nint host, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    public static partial CudaResult CopyDeviceToHostAsync(nint host, nint device, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoDAsync_v2")]
    public static partial CudaResult CopyDeviceToDeviceAsync(nint destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemsetD8Async")]
    public static partial CudaResult SetBytesAsync(nint device, byte value, nuint count, nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamCreate")]
    public static partial CudaResult StreamCreate(out nint stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    public static partial CudaResult StreamDestroy(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamSynchronize")]
    public static partial CudaResult StreamSynchronize(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    public static partial CudaResult StreamBeginCapture(nint stream, int mode);

    [LibraryImport(Library, EntryPoint = "cuStreamEndCapture")]
    public static partial CudaResult StreamEndCapture(nint stream, out nint graph);

    [LibraryImport(Library, EntryPoint = "cuGraphInstantiateWithFlags")]
    public static partial CudaResult GraphInstantiate(out nint executable, nint graph, ulong flags);

    [LibraryImport(Library, EntryPoint = "cuGraphLaunch")]
    public static partial CudaResult GraphLaunch(nint executable, nint stream);

    [LibraryImport(Library, EntryPoint = "cuGraphExecDestroy")]
    public static partial CudaResult GraphExecutableDestroy(nint executable);

    [LibraryImport(Library, EntryPoint = "cuGraphDestroy")]
    public static partial CudaResult GraphDestroy(nint graph);

    [LibraryImport(Library, EntryPoint = "cuEventCreate")]
    public static partial CudaResult EventCreate(out nint @event, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    public static partial CudaResult EventDestroy(nint @event);

    [LibraryImport(Library, EntryPoint = "cuEventRecord")]
    public static partial CudaResult EventRecord(nint @event, nint stream);

    [LibraryImport(Library, EntryPoint = "cuEventSynchronize")]
    public static partial CudaResult EventSynchronize(nint @event);

    [LibraryImport(Library, EntryPoint = "cuEventElapsedTime")]
    public static partial CudaResult EventElapsedTime(out float milliseconds, nint start, nint end);

    [LibraryImport(Library, EntryPoint = "cuModuleLoadDataEx")]
    public static partial CudaResult ModuleLoadData(out nint module, byte* image, uint optionCount, int* options, void** values);

    [LibraryImport(Library, EntryPoint = "cuModuleUnload")]
    public static partial CudaResult ModuleUnload(nint module);

    [LibraryImport(Library, EntryPoint = "cuModuleGetFunction", StringMarshalling = StringMarshalling.Utf8)]
    public static partial CudaResult ModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library, EntryPoint = "cuFuncSetAttribute")]
    public static partial CudaResult FunctionSetAttribute(nint function, int attribute, int value);

    [LibraryImport(Library, EntryPoint = "cuLaunchKernel")]
    public static partial CudaResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        void** parameters, void** extra);

    [LibraryImport(Library, EntryPoint = "cuGetErrorName")]
    private static partial CudaResult GetErrorName(CudaResult error, out byte* name);

    [LibraryImport(Library, EntryPoint = "cuGetErrorString")]
    private static partial CudaResult GetErrorString(CudaResult error, out byte* description);

    /// <summary>The driver's name and description of an error.</summary>
    public static string Describe(CudaResult error)
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
    OutOfMemory = 2,
    NoDevice = 100,
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
