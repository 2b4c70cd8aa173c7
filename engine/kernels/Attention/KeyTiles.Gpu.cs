using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>The tiles of keys that a block of queries may see, one after the other; see <see cref="VisibleKeys"/>.</summary>
/// <typeparam name="TMod">The modification.</typeparam>
internal struct KeyTiles<TMod>
    where TMod : unmanaged, IScoreModification<TMod>
{
    /// <summary>The tile's first key, and the end of its interval; the same where no key is left.</summary>
    public int Key, End;

    private TMod _mod;
    private int _firstQuery, _endQuery, _length;

    /// <summary>The first tile.</summary>
    public static KeyTiles<TMod> Of(TMod mod, int firstQuery, int endQuery, int length)
    {
        KeyTiles<TMod> tiles = new() { _mod = mod, _firstQuery = firstQuery, _endQuery = endQuery, _length = length };
        (tiles.Key, tiles.End) = Next(mod, 0, firstQuery, endQuery, length);
        return tiles;
    }

    /// <summary>The tile behind this one, of so many keys.</summary>
    public readonly KeyTiles<TMod> Behind(int keys)
    {
        KeyTiles<TMod> next = this;
        next.Key += keys;
        if (next.Key >= End) (next.Key, next.End) = Next(_mod, End, _firstQuery, _endQuery, _length);
        return next;
    }

    /// <summary>Whether a query of [firstQuery, endQuery) may see a key of [firstKey, firstKey + keys).</summary>
    public static bool Any(TMod mod, int firstKey, int keys, int firstQuery, int endQuery, int length)
    {
        (int first, int end) = Next(mod, firstKey, firstQuery, endQuery, length);
        return first < end && first < firstKey + keys;
    }

    private static (int First, int End) Next(TMod mod, int from, int firstQuery, int endQuery, int length)
    {
        (GpuFloat first, GpuFloat end) = TMod.Keys<GpuFloat>(mod, from, firstQuery, endQuery, length);
        return Attention.Interval((int)first.Value, (int)end.Value, from, length);
    }
}
