namespace Engine.Runtime.Cuda;

/// <content>The functions of the library behind the interface.</content>
internal sealed unsafe partial class CudaDriver
{
    CudaResult ICudaDriver.Init(uint flags) => Init(flags);

    CudaResult ICudaDriver.DriverGetVersion(out int version) => DriverGetVersion(out version);

    CudaResult ICudaDriver.DeviceGetCount(out int count) => DeviceGetCount(out count);

    CudaResult ICudaDriver.DeviceGet(out int device, int ordinal) => DeviceGet(out device, ordinal);

    CudaResult ICudaDriver.DeviceGetName(byte* name, int length, int device) => DeviceGetName(name, length, device);

    CudaResult ICudaDriver.DeviceGetAttribute(
        out int value, CudaDeviceAttribute attribute, int device) =>
        DeviceGetAttribute(out value, attribute, device);

    CudaResult ICudaDriver.DeviceTotalMemory(out nuint bytes, int device) => DeviceTotalMemory(out bytes, device);

    CudaResult ICudaDriver.DevicePrimaryContextRetain(out nint context, int device) => DevicePrimaryContextRetain(out context, device);

    CudaResult ICudaDriver.DevicePrimaryContextRelease(int device) => DevicePrimaryContextRelease(device);

    CudaResult ICudaDriver.ContextSetCurrent(nint context) => ContextSetCurrent(context);

    CudaResult ICudaDriver.DeviceGetDefaultMemoryPool(out nint pool, int device) => DeviceGetDefaultMemoryPool(out pool, device);

    CudaResult ICudaDriver.MemoryPoolSetAttribute(nint pool, int attribute, ulong* value) => MemoryPoolSetAttribute(pool, attribute, value);

    CudaResult ICudaDriver.MemoryPoolTrimTo(nint pool, nuint bytesToKeep) => MemoryPoolTrimTo(pool, bytesToKeep);

    CudaResult ICudaDriver.MemoryAllocateAsync(out nint address, nuint bytes, nint stream) =>
        MemoryAllocateAsync(out address, bytes, stream);

    CudaResult ICudaDriver.MemoryFreeAsync(nint address, nint stream) => MemoryFreeAsync(address, stream);

    CudaResult ICudaDriver.MemoryGetInfo(out nuint free, out nuint total) => MemoryGetInfo(out free, out total);

    CudaResult ICudaDriver.MemoryHostAllocate(out nint address, nuint bytes, uint flags) => MemoryHostAllocate(out address, bytes, flags);

    CudaResult ICudaDriver.MemoryHostFree(nint address) => MemoryHostFree(address);

    CudaResult ICudaDriver.CopyHostToDeviceAsync(
        nint device, nint host, nuint bytes, nint stream) =>
        CopyHostToDeviceAsync(device, host, bytes, stream);

    CudaResult ICudaDriver.CopyDeviceToHostAsync(
        nint host, nint device, nuint bytes, nint stream) =>
        CopyDeviceToHostAsync(host, device, bytes, stream);

    CudaResult ICudaDriver.CopyDeviceToDeviceAsync(
        nint destination, nint source, nuint bytes, nint stream) =>
        CopyDeviceToDeviceAsync(destination, source, bytes, stream);

    CudaResult ICudaDriver.SetBytesAsync(nint device, byte value, nuint count, nint stream) => SetBytesAsync(device, value, count, stream);

    CudaResult ICudaDriver.StreamCreate(out nint stream, uint flags) => StreamCreate(out stream, flags);

    CudaResult ICudaDriver.StreamDestroy(nint stream) => StreamDestroy(stream);

    CudaResult ICudaDriver.StreamSynchronize(nint stream) => StreamSynchronize(stream);

    CudaResult ICudaDriver.StreamBeginCapture(nint stream, int mode) => StreamBeginCapture(stream, mode);

    CudaResult ICudaDriver.StreamEndCapture(nint stream, out nint graph) => StreamEndCapture(stream, out graph);

    CudaResult ICudaDriver.GraphInstantiate(out nint executable, nint graph, ulong flags) => GraphInstantiate(out executable, graph, flags);

    CudaResult ICudaDriver.GraphLaunch(nint executable, nint stream) => GraphLaunch(executable, stream);

    CudaResult ICudaDriver.GraphExecutableDestroy(nint executable) => GraphExecutableDestroy(executable);

    CudaResult ICudaDriver.GraphDestroy(nint graph) => GraphDestroy(graph);

    CudaResult ICudaDriver.EventCreate(out nint @event, uint flags) => EventCreate(out @event, flags);

    CudaResult ICudaDriver.EventDestroy(nint @event) => EventDestroy(@event);

    CudaResult ICudaDriver.EventRecord(nint @event, nint stream) => EventRecord(@event, stream);

    CudaResult ICudaDriver.EventSynchronize(nint @event) => EventSynchronize(@event);

    CudaResult ICudaDriver.EventElapsedTime(out float milliseconds, nint start, nint end) => EventElapsedTime(out milliseconds, start, end);

    CudaResult ICudaDriver.ModuleLoadData(
        out nint module, byte* image, uint optionCount, int* options, void** values) =>
        ModuleLoadData(out module, image, optionCount, options, values);

    CudaResult ICudaDriver.ModuleUnload(nint module) => ModuleUnload(module);

    CudaResult ICudaDriver.ModuleGetFunction(out nint function, nint module, string name) => ModuleGetFunction(out function, module, name);

    CudaResult ICudaDriver.FunctionSetAttribute(nint function, int attribute, int value) =>
        FunctionSetAttribute(function, attribute, value);

    CudaResult ICudaDriver.LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        void** parameters, void** extra) =>
        LaunchKernel(function, gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, stream, parameters, extra);

    CudaResult ICudaDriver.TensorMapEncodeTiled(
        byte* map, int type, uint rank, nint address, ulong* extents, ulong* strides, uint* box, uint* steps, int interleave, int swizzle,
        int promotion, int fill) =>
        TensorMapEncodeTiled(map, type, rank, address, extents, strides, box, steps, interleave, swizzle, promotion, fill);
}
