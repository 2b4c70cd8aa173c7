using System.Runtime.InteropServices;

namespace Conformance.Ptx;

/// <summary>A device allocation of a <see cref="PtxMachine"/>, guarded on both sides by unmapped address space.</summary>
internal sealed class PtxBuffer
{
    private readonly byte[] _data;
    private readonly bool[]? _written;

    internal PtxBuffer(string name, ulong address, byte[] data, bool initialised, bool readOnly)
    {
        Name = name;
        Address = address;
        _data = data;
        ReadOnly = readOnly;
        if (!initialised) _written = new bool[data.Length];
    }

    public string Name { get; }
    /// <summary>The device address of the first byte, a multiple of 256.</summary>
    public ulong Address { get; }
    public int Bytes => _data.Length;
    internal bool ReadOnly { get; }
    internal Span<byte> Data => _data;
    /// <summary>Who touched what; made when a launch first touches the buffer.</summary>
    internal GlobalShadow? Shadow { get; set; }

    /// <summary>The contents as elements of <typeparamref name="T"/>, to read or to fill.</summary>
    public Span<T> As<T>() where T : unmanaged => MemoryMarshal.Cast<byte, T>(_data.AsSpan());

    /// <summary>A copy of the contents.</summary>
    public T[] ToArray<T>() where T : unmanaged => As<T>().ToArray();

    /// <summary>How many bytes of a buffer allocated uninitialised no kernel has written.</summary>
    public int UnwrittenBytes => _written is null ? 0 : _written.AsSpan().Count(false);

    internal bool IsWritten(int at, int size) => _written is null || !_written.AsSpan(at, size).Contains(false);

    internal void MarkWritten(int at, int size) => _written?.AsSpan(at, size).Fill(true);
}

/// <summary>An access remembered for race checking: block, warp and lane, and when by the block's barriers and the warp's clock.</summary>
internal struct GlobalEvent
{
    public const int Many = -1;
    /// <summary>The number of the launch; of another than the running one, or 0, it is no event.</summary>
    public int Launch;
    /// <summary>From 1; <see cref="Many"/>: several blocks.</summary>
    public int Block;
    /// <summary><see cref="Many"/>: several warps, ordered by barriers of the whole block only.</summary>
    public int Warp;
    /// <summary><see cref="Many"/>: several lanes.</summary>
    public int Lane;
    public int Epoch, Clock, Pc;
    public bool Atomic;
}

/// <summary>
/// One buffer's accesses, by cell of the running launch's grain. What is left of earlier launches tells itself apart by their number, so
/// that a launch that touches little of a large buffer costs little.
/// </summary>
internal sealed class GlobalShadow(int bytes, int grain)
{
    /// <summary>The finest grain there is room for.</summary>
    public int Grain => grain;
    public GlobalEvent[] Writes { get; } = new GlobalEvent[(bytes >> grain) + 1];
    public GlobalEvent[] Reads { get; } = new GlobalEvent[(bytes >> grain) + 1];
}
