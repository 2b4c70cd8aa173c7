using System.Runtime.InteropServices;
using System.Text;
using Conformance.Ptx;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <content>Streams, events, graphs and modules.</content>
internal sealed unsafe partial class FakeDriver
{
    public CudaResult StreamCreate(out nint stream, uint flags) => Make(TheStream, out stream);

    public CudaResult StreamDestroy(nint stream) => Drop(stream == TheStream);

    public CudaResult StreamSynchronize(nint stream)
    {
        Waits++;
        if (_capture is null) return Run(long.MaxValue);
        _captureBroken = true;
        return CudaResult.CaptureUnsupported;
    }

    public CudaResult StreamBeginCapture(nint stream, int mode)
    {
        if (_capture is not null) return CudaResult.InvalidValue;
        (_capture, _captureBroken) = ([], false);
        return _sticky;
    }

    public CudaResult StreamEndCapture(nint stream, out nint graph)
    {
        List<Action> captured = _capture!;
        (_capture, graph) = (null, 0);
        if (_captureBroken) return CudaResult.CaptureInvalidated;
        _graphs.Add(++_names, captured);
        return Make(_names, out graph);
    }

    public CudaResult GraphInstantiate(out nint executable, nint graph, ulong flags)
    {
        _graphs.Add(++_names, _graphs[graph]);
        return Make(_names, out executable);
    }

    public CudaResult GraphLaunch(nint executable, nint stream)
    {
        LaunchCalls++;
        foreach (Action work in _graphs[executable])
            if (Enqueue(work) is var result and not CudaResult.Success) return result;
        return CudaResult.Success;
    }

    public CudaResult GraphExecutableDestroy(nint executable) => Drop(_graphs.Remove(executable));

    public CudaResult GraphDestroy(nint graph) => Drop(_graphs.Remove(graph));

    public CudaResult EventCreate(out nint @event, uint flags)
    {
        _events.Add(++_names, 0);
        return Make(_names, out @event);
    }

    public CudaResult EventDestroy(nint @event) => Drop(_events.Remove(@event));

    public CudaResult EventRecord(nint @event, nint stream)
    {
        _events[@event] = _queued;
        return _sticky;
    }

    public CudaResult EventSynchronize(nint @event) => Run(_events[@event]);

    public CudaResult EventElapsedTime(out float milliseconds, nint start, nint end) =>
        Answer((float)(_events[end] - _events[start]), out milliseconds);

    public CudaResult ModuleLoadData(out nint module, byte* image, uint optionCount, int* options, void** values)
    {
        PtxKernel kernel = PtxModule.OnlyKernel(Marshal.PtrToStringUTF8((nint)image)!);
        string entry = kernel.Name;
        if (entry == Replaced.Entry)
        {
            ReadOnlySpan<byte> text = KernelManifest.Text(KernelManifest.Compiled[Replaced.By]).AsSpan();
            kernel = PtxModule.OnlyKernel(Encoding.ASCII.GetString(text[..^1]));
        }

        _modules.Add(++_names, kernel);
        _entries.Add(_names, entry);
        return Make(_names, out module);
    }

    public CudaResult ModuleUnload(nint module) => Drop(_modules.Remove(module));

    public CudaResult ModuleGetFunction(out nint function, nint module, string name)
    {
        function = module;
        return _entries[module] == name ? CudaResult.Success : CudaResult.InvalidValue;
    }

    public CudaResult FunctionSetAttribute(nint function, int attribute, int value)
    {
        if (value > MaxShared) return CudaResult.InvalidValue;
        _sharedAllowed[function] = value;
        return CudaResult.Success;
    }
}
