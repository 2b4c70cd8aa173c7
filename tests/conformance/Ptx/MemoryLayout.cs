using System.Runtime.InteropServices;

namespace Conformance.Ptx;

/// <summary>The fake 64-bit address space: the high 32 bits are a window, so a stray pointer rarely hits another allocation.</summary>
internal static class AddressSpace
{
    public const ulong SharedWindow = 1, LocalWindow = 2, ParameterWindow = 3, ModuleWindow = 0x10, BufferWindow = 0x1000;

    /// <summary>Shared and local offsets start here, so that a null pointer is out of bounds.</summary>
    public const int FirstOffset = 0x400;

    /// <summary>Buffers lie in the middle of their window, so that negative indices stay within it.</summary>
    public const ulong BufferOffset = 0x4000_0000;
}

/// <summary>Places variables of shared or local memory, with unmapped gaps between them so that an overrun is seen.</summary>
internal sealed class MemoryLayout
{
    private const int Gap = 128;
    private readonly List<(int Start, int Bytes)> _ranges = [];

    /// <summary>One past the last byte in use.</summary>
    public int End { get; private set; } = AddressSpace.FirstOffset;

    /// <summary>The bytes the hardware would need, without the gaps.</summary>
    public int PackedBytes { get; private set; }

    public int Add(int bytes, int alignment)
    {
        int start = Align(_ranges.Count == 0 ? End : End + Gap, alignment);
        _ranges.Add((start, bytes));
        End = start + bytes;
        PackedBytes = Align(PackedBytes, alignment) + bytes;
        return start;
    }

    /// <summary>The offset at which a further variable would be placed.</summary>
    public int NextStart(int alignment) => Align(_ranges.Count == 0 ? End : End + Gap, alignment);

    /// <summary>One byte per byte of memory: <see cref="ByteState.Mapped"/> within variables, 0 in gaps.</summary>
    public byte[] States(int extraStart = 0, int extraBytes = 0)
    {
        var states = new byte[Math.Max(End, extraStart + extraBytes)];
        foreach ((int start, int bytes) in _ranges) states.AsSpan(start, bytes).Fill(ByteState.Mapped);
        states.AsSpan(extraStart, extraBytes).Fill(ByteState.Mapped);
        return states;
    }

    private static int Align(int offset, int alignment) => (offset + alignment - 1) / alignment * alignment;
}

/// <summary>What is known of a byte of shared or local memory.</summary>
internal static class ByteState
{
    public const byte Mapped = 1, Written = 2, Pending = 4;
    public const byte Ready = Mapped | Written;

    /// <summary>Whether all <paramref name="size"/> states from <paramref name="at"/> equal <paramref name="state"/>.</summary>
    public static bool All(byte[] states, int at, int size, byte state)
    {
        ReadOnlySpan<byte> part = states.AsSpan(at, size);
        return size switch
        {
            4 => MemoryMarshal.Read<uint>(part) == state * 0x0101_0101u,
            8 => MemoryMarshal.Read<ulong>(part) == state * 0x0101_0101_0101_0101UL,
            _ => part.IndexOfAnyExcept(state) < 0,
        };
    }

    /// <summary>Whether all bytes may be written: none lies in a gap, or waits for a copy.</summary>
    public static bool AreOpen(byte[] states, int at, int size)
    {
        ReadOnlySpan<byte> part = states.AsSpan(at, size);
        return size == 4
            ? (MemoryMarshal.Read<uint>(part) & ~(Written * 0x0101_0101u)) == Mapped * 0x0101_0101u
            : part.IndexOfAnyExcept(Mapped, Ready) < 0;
    }
}
