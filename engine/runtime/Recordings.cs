using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>Work of a backend that was recorded, to be run again as one. It is the backend's own, in the memory it was recorded with.</summary>
internal abstract class Recording : IDisposable
{
    /// <summary>How often the backend had returned memory when this was recorded; it uses none that was returned since.</summary>
    public long Releases { get; set; }

    public abstract void Dispose();
}

/// <summary>
/// Runs work whose shapes repeat: as it is when they come for the first time, so that memory grows and kernels are loaded; recorded when
/// they come again; and from then on as one recording, which costs a single call. What changes between runs lies in the backend's memory.
/// On a backend that does not record, and while it is profiled, work is always run as it is. Not for several threads at once.
/// </summary>
/// <typeparam name="TKey">The shapes: equal keys mean the same operations on the same memory.</typeparam>
/// <param name="backend">Where the work runs.</param>
/// <param name="capacity">The most recordings that are kept; those that were not used for longest go.</param>
public sealed class Recordings<TKey>(Backend backend, int capacity = 32) : IDisposable
    where TKey : struct, IEquatable<TKey>
{
    private readonly Dictionary<TKey, Entry> _entries = [];
    private long _releases, _runs;

    /// <summary>Runs that were a recording's.</summary>
    public long Replays { get; private set; }

    /// <summary>Runs work, or its recording.</summary>
    /// <param name="key">Its shapes.</param>
    /// <param name="work">Launches operations: no upload, no download, nothing allocated that was not there the time before.</param>
    /// <returns>What the work has returned, when it was run or recorded.</returns>
    public Tensor Run(TKey key, Func<Tensor> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (!backend.Records || backend.Profile is not null) return work();

        // A recording is of no use once memory it was recorded with may have been returned; which memory it was, is not asked.
        if (_releases != backend.Releases) Forget();
        if (!_entries.TryGetValue(key, out Entry? entry)) return First(key, work);
        entry.LastRun = ++_runs;
        if (entry.Recording is null) Record(entry, work);

        // Another thread may have returned memory meanwhile.
        if (!backend.Replay(entry.Recording!)) return First(key, work);
        Replays++;
        return entry.Result;
    }

    /// <summary>Releases the recordings.</summary>
    public void Dispose() => Forget();

    // A method of its own, so that what its lambda captures is not allocated in every run.
    private void Record(Entry entry, Func<Tensor> work) => entry.Recording = backend.Record(() => entry.Result = work());

    private Tensor First(TKey key, Func<Tensor> work)
    {
        Tensor result = work();
        if (_releases != backend.Releases) Forget();
        if (_entries.Count == capacity) Remove(_entries.MinBy(e => e.Value.LastRun).Key);
        Remove(key);
        _entries.Add(key, new Entry { LastRun = ++_runs });
        return result;
    }

    private void Forget()
    {
        foreach (Entry entry in _entries.Values) entry.Recording?.Dispose();
        _entries.Clear();
        _releases = backend.Releases;
    }

    private void Remove(TKey key)
    {
        if (_entries.Remove(key, out Entry? entry)) entry.Recording?.Dispose();
    }

    private sealed class Entry
    {
        public Recording? Recording { get; set; }

        public Tensor Result { get; set; }

        public long LastRun { get; set; }
    }
}
