using System.Text;
using Conformance.Cases;
using Conformance.Ptx;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>
/// A GPU whose kernels run in the PTX interpreter, every access checked: the backend's launches are proven without a GPU.
/// </summary>
internal sealed class InterpretedDevice(int maxSharedBytes = 227 * 1024) : GpuDevice(TestKernels.Library())
{
    private readonly PtxMachine _machine = new() { SharedMemoryLimit = 227 * 1024, InstructionBudget = 2_000_000_000 };
    private readonly Dictionary<string, PtxKernel> _kernels = [];

    public override string Description => "PTX interpreter";

    public override bool CapturesGraphs => false;

    public override int MaxSharedBytes => maxSharedBytes;

    public override Version ComputeCapability { get; } = new(9, 0);

    public override bool IsHopper => true;

    public override void EncodeTensorMap(nint matrix, long rows, long columns, Span<byte> map) =>
        new TensorMapBits((ulong)matrix, (int)columns, (int)rows, 2 * columns, 64, 64, 2).Encode().CopyTo(map);

    /// <summary>What each launch did, in order.</summary>
    public List<(string Entry, LaunchReport Report)> Reports { get; } = [];

    public override void Enter()
    {
    }

    public override nint Allocate(long bytes) => (nint)_machine.Allocate(checked((int)bytes)).Address;

    public override void Free(nint address) => _machine.Free((ulong)address);

    public override void Upload(ReadOnlySpan<byte> source, nint destination)
    {
        (PtxBuffer buffer, int offset) = Find(destination);
        source.CopyTo(buffer.Data[offset..]);
        buffer.MarkWritten(offset, source.Length);
    }

    public override void Download(nint source, Span<byte> destination)
    {
        if (destination.IsEmpty) return;
        (PtxBuffer buffer, int offset) = Find(source);
        Check.That(buffer.IsWritten(offset, destination.Length), $"{buffer.Name} is read before all of it was written");
        buffer.Data.Slice(offset, destination.Length).CopyTo(destination);
    }

    public override void Copy(nint source, nint destination, long bytes)
    {
        var copy = new byte[bytes];
        Download(source, copy);
        Upload(copy, destination);
    }

    public override void Clear(nint destination, long bytes) => Upload(new byte[bytes], destination);

    public override double Time(Action work) => throw new NotSupportedException("the interpreter measures no time");

    public override CudaGraph Capture(Action step) => throw new NotSupportedException("the interpreter captures no graphs");

    protected override void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared)
    {
        if (!_kernels.TryGetValue(kernel.Entry, out PtxKernel? parsed))
        {
            string text = Encoding.ASCII.GetString(Library.Text(kernel).AsSpan()[..^1]);
            _kernels.Add(kernel.Entry, parsed = PtxModule.OnlyKernel(text));
        }

        ReadOnlySpan<byte> block = arguments.Block;
        var values = new object[kernel.Parameters.Count];
        for (int i = 0; i < values.Length; i++)
        {
            KernelParameter p = kernel.Parameters[i];
            values[i] = block.Slice(p.Offset, p.Size).ToArray();
        }

        Reports.Add((kernel.Entry, _machine.Launch(parsed, new Dim3(gridX, gridY, gridZ), kernel.Threads, dynamicShared, values)));
    }

    private (PtxBuffer Buffer, int Offset) Find(nint address)
    {
        PtxBuffer buffer =
            _machine.Find((ulong)address >> 32) ?? throw new InvalidOperationException($"0x{address:x} is no memory of this device");
        return (buffer, checked((int)((ulong)address - buffer.Address)));
    }
}
