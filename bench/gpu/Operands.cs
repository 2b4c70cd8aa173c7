using System.Runtime.InteropServices;
using Conformance.Gpu;
using Engine.Kernels;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>Memory of a GPU for the operands of kernels that are timed: filled with normal deviates, returned at the end.</summary>
internal sealed class Operands : IDisposable
{
    private const int Pattern = 1 << 18, Rounds = 5;
    private readonly DeviceMemory _memory;
    private readonly byte[] _wide, _narrow;
    private readonly int _calls;

    /// <param name="device">The GPU.</param>
    /// <param name="calls">Calls that are timed together.</param>
    public Operands(GpuDevice device, int calls)
    {
        (Device, _calls, _memory) = (device, calls, new(device));
        device.Enter();
        var values = new float[Pattern];
        new Philox(31, 0, 0).FillNormal(values, 1);
        _wide = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        _narrow = MemoryMarshal.AsBytes(Array.ConvertAll(values, v => (BFloat16)v).AsSpan()).ToArray();
    }

    public GpuDevice Device { get; }

    /// <summary>Elements of fp32.</summary>
    public Tensor Floats(params ReadOnlySpan<int> extents) => Fill(_memory.Rent(DType.F32, extents), _wide);

    /// <summary>Elements of fp32, or of bf16.</summary>
    public Tensor Elements(bool bf16, params ReadOnlySpan<int> extents) =>
        bf16 ? Fill(_memory.Rent(DType.BF16, extents), _narrow) : Floats(extents);

    /// <summary>Integers.</summary>
    public Tensor Integers(int count, Func<int, int> value)
    {
        var values = new int[count];
        for (int i = 0; i < count; i++) values[i] = value(i);
        return _memory.Upload(values, DType.I32);
    }

    /// <summary>Numbers as they are.</summary>
    public Tensor Numbers(params float[] values) => _memory.Upload(values, DType.F32);

    /// <summary>Structs as bytes.</summary>
    public Tensor Bytes<T>(T[] values)
        where T : unmanaged
        => _memory.Upload(values, DType.U8);

    /// <summary>
    /// Milliseconds of one call of what is launched: the median of five runs of so many calls, after one that loads the kernel.
    /// </summary>
    public double Time(Action launch)
    {
        launch();
        var times = new double[Rounds];
        for (int i = 0; i < times.Length; i++)
            times[i] = Device.Time(() =>
            {
                for (int call = 0; call < _calls; call++) launch();
            }) / _calls;
        Array.Sort(times);
        return times[Rounds / 2];
    }

    public void Dispose() => _memory.Dispose();

    private Tensor Fill(Tensor tensor, byte[] pattern)
    {
        nint address = DeviceMemory.Address(tensor);
        Device.Upload(pattern.AsSpan(0, (int)Math.Min(tensor.Bytes, pattern.Length)), address);
        for (long done = pattern.Length; done < tensor.Bytes; done *= 2)
            Device.Copy(address, address + (nint)done, Math.Min(done, tensor.Bytes - done));
        return tensor;
    }
}
