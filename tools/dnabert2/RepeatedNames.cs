using Dnabert2.Sequences;
using Dnabert2.Tool.Verbs;

namespace Dnabert2.Tool;

/// <summary>
/// Finds names that several records have. Names are kept as hashes of 64 bits, at most 3,145,728 of them in 32 MB: those that come later
/// are not compared, and that is said. Two different names have one hash in less than one of a million runs.
/// </summary>
internal sealed class RepeatedNames
{
    private const int FirstSlots = 1 << 16, MostSlots = 1 << 22, MostNames = MostSlots / 4 * 3;
    private ulong[] _slots = new ulong[FirstSlots];
    private int _names;
    private long _repeated, _left;
    private string _example = "";

    /// <summary>Adds the name under which a record is written.</summary>
    public void Add(string name)
    {
        ulong hash = Hash(name);
        int slot = Find(hash);
        if (_slots[slot] == hash)
        {
            if (_repeated++ == 0) _example = name;
            return;
        }

        if (_names == MostNames)
        {
            _left++;
            return;
        }

        _slots[slot] = hash;
        if (++_names * 4L > _slots.Length * 3L && _slots.Length < MostSlots) Grow();
    }

    /// <summary>What a user is to know, a sentence each.</summary>
    public IEnumerable<string> Notes(string file)
    {
        if (_repeated > 0)
            yield return $"{file}: {Shared.Count(_repeated, "record")} with a name that occurred before, such as '{_example}': their rows "
                + "cannot be told apart by the name";
        if (_left > 0)
            yield return $"{file}: {Shared.Count(_left, "name")} after the first {MostNames:N0} were not compared with each other";
    }

    private int Find(ulong hash)
    {
        int slot = (int)(hash >> 32) & (_slots.Length - 1);
        while (_slots[slot] != 0 && _slots[slot] != hash) slot = (slot + 1) & (_slots.Length - 1);
        return slot;
    }

    private void Grow()
    {
        ulong[] former = _slots;
        _slots = new ulong[former.Length * 2];
        foreach (ulong hash in former)
            if (hash != 0) _slots[Find(hash)] = hash;
    }

    /// <summary>FNV-1a, mixed so that all bits depend on all characters; never 0.</summary>
    private static ulong Hash(string name)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in name) hash = (hash ^ c) * 1099511628211;
        hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCD;
        hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53;
        return Math.Max(1, hash ^ (hash >> 33));
    }
}
