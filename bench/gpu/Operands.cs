using System.Runtime.InteropServices;
using Engine.Kernels;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>Memory of a GPU for the operands of kernels that are timed: filled with normal deviates, returned at the end.</summary>
internal sealed class Operands : IDisposable
{
    private const int Pattern = 1 << 18, Rounds = 5;
    private readonly List<nint> _memory = [];
    private readonly byte[] _wide, _narrow;
    private readonly int _calls;

    /// <param name="device">The GPU.</param>
    /// <param name="calls">Calls that are timed together.</param>
    public Operands(GpuDevice device, int calls)
    {
        (Device, _calls) = (device, calls);
        device.Enter();
        var values = new float[Pattern];
        new Philox(31, 0, 0).FillNormal(values, 1);
        _wide = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        _narrow = MemoryMarshal.AsBytes(Array.ConvertAll(values, v => (BFloat16)v).AsSpan()).ToArray();
    }

    public GpuDevice Device { get; }

    /// <summary>Elements of fp32, or of bf16.</summary>
    public nint Floats(long count, bool bf16 = false)
    {
        byte[] pattern = bf16 ? _narrow : _wide;
        long bytes = count * (bf16 ? 2 : 4);
        nint memory = Allocate(bytes);
        Device.Upload(pattern.AsSpan(0, (int)Math.Min(bytes, pattern.Length)), memory);
        for (long done = pattern.Length; done < bytes; done *= 2) Device.Copy(memory, memory + (nint)done, Math.Min(done, bytes - done));
        return memory;
    }

    /// <summary>Integers.</summary>
    public nint Integers(int count, Func<int, int> value)
    {
        var values = new int[count];
        for (int i = 0; i < count; i++) values[i] = value(i);
        return Bytes(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    /// <summary>Numbers as they are.</summary>
    public nint Numbers(params float[] values) => Bytes(MemoryMarshal.AsBytes(values.AsSpan()));

    /// <summary>Bytes as they are.</summary>
    public nint Bytes(ReadOnlySpan<byte> values)
    {
        nint memory = Allocate(values.Length);
        Device.Upload(values, memory);
        return memory;
    }

    /// <summary>Milliseconds of one call of what is launched: the median of five runs of so many calls, after one that loads the kernel.</summary>
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

    public void Dispose()
    {
        foreach (nint memory in _memory) Device.Free(memory);
    }

    private nint Allocate(long bytes)
    {
        _memory.Add(Device.Allocate(Math.Max(bytes, 16)));
        return _memory[^1];
    }
}
