namespace Engine.Runtime.Cuda;

/// <summary>
/// The part of NVIDIA's driver interface (the CUDA Driver API) that is used: NVIDIA's own is <see cref="CudaDriver"/>; another one stands
/// in for it in tests. Every method is the function of the driver that its comment names.
/// </summary>
internal unsafe interface ICudaDriver
{
    /// <summary>Whether the driver is installed; nothing else may be called where it is not.</summary>
    bool IsInstalled { get; }

    /// <summary><c>cuInit</c></summary>
    CudaResult Init(uint flags);

    /// <summary><c>cuDriverGetVersion</c></summary>
    CudaResult DriverGetVersion(out int version);

    /// <summary><c>cuDeviceGetCount</c></summary>
    CudaResult DeviceGetCount(out int count);

    /// <summary><c>cuDeviceGet</c></summary>
    CudaResult DeviceGet(out int device, int ordinal);

    /// <summary><c>cuDeviceGetName</c></summary>
    CudaResult DeviceGetName(byte* name, int length, int device);

    /// <summary><c>cuDeviceGetAttribute</c></summary>
    CudaResult DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device);

    /// <summary><c>cuDeviceTotalMem_v2</c></summary>
    CudaResult DeviceTotalMemory(out nuint bytes, int device);

    /// <summary><c>cuDevicePrimaryCtxRetain</c></summary>
    CudaResult DevicePrimaryContextRetain(out nint context, int device);

    /// <summary><c>cuDevicePrimaryCtxRelease_v2</c></summary>
    CudaResult DevicePrimaryContextRelease(int device);

    /// <summary><c>cuCtxSetCurrent</c></summary>
    CudaResult ContextSetCurrent(nint context);

    /// <summary><c>cuDeviceGetDefaultMemPool</c></summary>
    CudaResult DeviceGetDefaultMemoryPool(out nint pool, int device);

    /// <summary><c>cuMemPoolSetAttribute</c></summary>
    CudaResult MemoryPoolSetAttribute(nint pool, int attribute, ulong* value);

    /// <summary><c>cuMemPoolTrimTo</c></summary>
    CudaResult MemoryPoolTrimTo(nint pool, nuint bytesToKeep);

    /// <summary><c>cuMemAllocAsync</c></summary>
    CudaResult MemoryAllocateAsync(out nint address, nuint bytes, nint stream);

    /// <summary><c>cuMemFreeAsync</c></summary>
    CudaResult MemoryFreeAsync(nint address, nint stream);

    /// <summary><c>cuMemGetInfo_v2</c></summary>
    CudaResult MemoryGetInfo(out nuint free, out nuint total);

    /// <summary><c>cuMemHostAlloc</c></summary>
    CudaResult MemoryHostAllocate(out nint address, nuint bytes, uint flags);

    /// <summary><c>cuMemFreeHost</c></summary>
    CudaResult MemoryHostFree(nint address);

    /// <summary><c>cuMemcpyHtoDAsync_v2</c></summary>
    CudaResult CopyHostToDeviceAsync(nint device, nint host, nuint bytes, nint stream);

    /// <summary><c>cuMemcpyDtoHAsync_v2</c></summary>
    CudaResult CopyDeviceToHostAsync(nint host, nint device, nuint bytes, nint stream);

    /// <summary><c>cuMemcpyDtoDAsync_v2</c></summary>
    CudaResult CopyDeviceToDeviceAsync(nint destination, nint source, nuint bytes, nint stream);

    /// <summary><c>cuMemsetD8Async</c></summary>
    CudaResult SetBytesAsync(nint device, byte value, nuint count, nint stream);

    /// <summary><c>cuStreamCreate</c></summary>
    CudaResult StreamCreate(out nint stream, uint flags);

    /// <summary><c>cuStreamDestroy_v2</c></summary>
    CudaResult StreamDestroy(nint stream);

    /// <summary><c>cuStreamSynchronize</c></summary>
    CudaResult StreamSynchronize(nint stream);

    /// <summary><c>cuStreamBeginCapture_v2</c></summary>
    CudaResult StreamBeginCapture(nint stream, int mode);

    /// <summary><c>cuStreamEndCapture</c></summary>
    CudaResult StreamEndCapture(nint stream, out nint graph);

    /// <summary><c>cuGraphInstantiateWithFlags</c></summary>
    CudaResult GraphInstantiate(out nint executable, nint graph, ulong flags);

    /// <summary><c>cuGraphLaunch</c></summary>
    CudaResult GraphLaunch(nint executable, nint stream);

    /// <summary><c>cuGraphExecDestroy</c></summary>
    CudaResult GraphExecutableDestroy(nint executable);

    /// <summary><c>cuGraphDestroy</c></summary>
    CudaResult GraphDestroy(nint graph);

    /// <summary><c>cuEventCreate</c></summary>
    CudaResult EventCreate(out nint @event, uint flags);

    /// <summary><c>cuEventDestroy_v2</c></summary>
    CudaResult EventDestroy(nint @event);

    /// <summary><c>cuEventRecord</c></summary>
    CudaResult EventRecord(nint @event, nint stream);

    /// <summary><c>cuEventSynchronize</c></summary>
    CudaResult EventSynchronize(nint @event);

    /// <summary><c>cuEventElapsedTime</c></summary>
    CudaResult EventElapsedTime(out float milliseconds, nint start, nint end);

    /// <summary><c>cuModuleLoadDataEx</c></summary>
    CudaResult ModuleLoadData(out nint module, byte* image, uint optionCount, int* options, void** values);

    /// <summary><c>cuModuleUnload</c></summary>
    CudaResult ModuleUnload(nint module);

    /// <summary><c>cuModuleGetFunction</c></summary>
    CudaResult ModuleGetFunction(out nint function, nint module, string name);

    /// <summary><c>cuFuncSetAttribute</c></summary>
    CudaResult FunctionSetAttribute(nint function, int attribute, int value);

    /// <summary><c>cuLaunchKernel</c></summary>
    CudaResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        void** parameters, void** extra);

    /// <summary><c>cuTensorMapEncodeTiled</c>, from CUDA 12.0 on</summary>
    CudaResult TensorMapEncodeTiled(
        byte* map, int type, uint rank, nint address, ulong* extents, ulong* strides, uint* box, uint* steps, int interleave, int swizzle,
        int promotion, int fill);

    /// <summary>The driver's name and description of an error.</summary>
    string Describe(CudaResult error);
}
