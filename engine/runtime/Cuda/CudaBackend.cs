using System.Runtime.InteropServices;
using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

/// <summary>The backend on a GPU. Operations are launched and not waited for; a download waits.</summary>
internal sealed unsafe class CudaBackend : Backend, IScratch
{
    private readonly Lock _operation = new();
    private readonly GpuDevice _cuda;
    private readonly GpuLauncher _launcher;
    private readonly DType _activations;
    private Arena? _constants;
    private Arena? _scratch;

    /// <summary>A backend on a device, which it owns.</summary>
    /// <param name="device">The device.</param>
    /// <param name="activations">See <see cref="Backend.ActivationType"/>: F32 or BF16.</param>
    /// <param name="products">Which forms of matrix products are the fastest; without one, the table of this assembly.</param>
    public CudaBackend(GpuDevice device, DType activations = DType.F32, ProductTable? products = null)
    {
        (_cuda, _activations) = (device, activations);
        _launcher = new GpuLauncher(device, this, new Constants(this), products ?? ProductTable.Default);
    }

    public override string Description => _activations == DType.BF16 ? _cuda.Description + ", bf16" : _cuda.Description;

    public override Precision Precision => _activations == DType.BF16 ? Precision.BF16 : Precision.F32;

    public override DType ActivationType => _activations;

    Tensor IScratch.Rent(Shape shape, DType dtype) => (_scratch ??= new Arena(this)).Rent(shape, dtype);

    public override void Clear(Tensor y)
    {
        lock (_operation)
        {
            _cuda.Enter();
            _launcher.Clear(y);
        }
    }

    private protected override void RunCore<TOperation>(in TOperation operation)
    {
        lock (_operation)
        {
            _cuda.Enter();
            try
            {
                operation.RunOnGpu(_launcher);
            }
            finally
            {
                _scratch?.Reset();
            }
        }
    }

    public override bool CapturesGraphs => _cuda.CapturesGraphs;

    internal override CudaGraph Capture(Action work)
    {
        lock (_operation)
        {
            _cuda.Enter();
            CudaGraph graph = _cuda.Capture(work);
            graph.Releases = Releases;
            return graph;
        }
    }

    internal override bool Replay(CapturedGraph graph)
    {
        lock (_operation)
        {
            if (graph.Releases != Releases) return false;
            ((CudaGraph)graph).Replay();
            return true;
        }
    }

    /// <summary>Lets another library add work to the stream, in the order of all else.</summary>
    public void OnStream(Action<nint> work)
    {
        lock (_operation)
        {
            _cuda.Enter();
            work(_cuda.Stream);
        }
    }

    public override double Seconds(Action work) => Time(work) / 1000;

    /// <summary>Milliseconds that the GPU spends on what the action launches.</summary>
    public double Time(Action work)
    {
        lock (_operation)
        {
            _cuda.Enter();
            return _cuda.Time(work);
        }
    }

    private protected override nint AllocateMemory(long bytes, bool ordinaryPages)
    {
        lock (_operation)
        {
            _cuda.Enter();
            return _cuda.Allocate(bytes);
        }
    }

    private protected override void FreeMemory(nint address)
    {
        lock (_operation) _cuda.Free(address);
    }

    private protected override void CopyIn(ReadOnlySpan<byte> source, Tensor destination)
    {
        lock (_operation)
        {
            _cuda.Enter();
            _cuda.Upload(source, (nint)destination.Address);
        }
    }

    private protected override void CopyOut(Tensor source, Span<byte> destination)
    {
        lock (_operation)
        {
            _cuda.Enter();
            _cuda.Download((nint)source.Address, destination);
        }
    }

    private protected override void CopyCore(Tensor source, Tensor destination)
    {
        lock (_operation)
        {
            _cuda.Enter();
            _cuda.Copy((nint)source.Address, (nint)destination.Address, source.Bytes);
        }
    }

    private protected override void ReleaseScratch()
    {
        _constants?.Dispose();
        _scratch?.Dispose();
        (_constants, _scratch) = (null, null);
        _launcher.ForgetConstants();
    }

    private protected override void Close() => _cuda.Dispose();

    /// <summary>The kernels read weights as they are.</summary>
    private protected override Weight PackCore(in Weight weight, Activation activation, Arena arena)
    {
        Tensor copy = arena.Rent(weight.Data.Shape, weight.Data.DType);
        CopyCore(weight.Data, copy);
        return new Weight(copy, weight.Outputs, weight.Inputs, activation);
    }

    /// <summary>Memory that is kept as long as the backend.</summary>
    private sealed class Constants(CudaBackend backend) : IScratch
    {
        public Tensor Rent(Shape shape, DType dtype) => (backend._constants ??= new Arena(backend)).Rent(shape, dtype);
    }
}
