using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>
/// Launches of a backend, captured to be replayed with one call, in the memory they were captured with. It belongs to the backend.
/// </summary>
internal abstract class CapturedGraph : IDisposable
{
    /// <summary>How often the backend had returned memory when this was captured; it uses none that was returned since.</summary>
    public long Releases { get; set; }

    public abstract void Dispose();
}

/// <summary>
/// Runs work whose shapes repeat. The first time it runs as it is, so that memory grows and kernels are loaded; the second time its
/// launches are captured as a graph; from then on the graph is replayed, which costs a single call. What changes between runs lies in the
/// backend's memory. A backend that captures no graphs, or is profiled, always runs the work as it is. Not for several threads at once.
/// </summary>
/// <typeparam name="TKey">The shapes: equal keys mean the same operations on the same memory.</typeparam>
/// <param name="backend">Where the work runs.</param>
/// <param name="capacity">The most graphs that are kept; the least recently used ones are dropped.</param>
public sealed class GraphCache<TKey>(Backend backend, int capacity = 32) : IDisposable
    where TKey : struct, IEquatable<TKey>
{
    private readonly Dictionary<TKey, Entry> _entries = [];
    private long _releases, _runs;

    /// <summary>Runs that replayed a graph.</summary>
    public long Replays { get; private set; }

    /// <summary>Runs work, or replays its graph.</summary>
    /// <param name="key">Its shapes.</param>
    /// <param name="work">Launches operations: no upload, no download, nothing allocated that was not there the time before.</param>
    /// <returns>What the work returned when it was run or captured.</returns>
    public Tensor Run(TKey key, Func<Tensor> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (!backend.CapturesGraphs || backend.Profile is not null) return work();

        // A graph is of no use once memory it was captured with may have been returned; it is not known which memory that was.
        if (_releases != backend.Releases) Forget();
        if (!_entries.TryGetValue(key, out Entry? entry)) return First(key, work);
        entry.LastRun = ++_runs;
        if (entry.Graph is null) Capture(entry, work);

        // Another thread may have returned memory meanwhile.
        if (!backend.Replay(entry.Graph!)) return First(key, work);
        Replays++;
        return entry.Result;
    }

    /// <summary>Releases the graphs.</summary>
    public void Dispose() => Forget();

    // A method of its own, so that what its lambda captures is not allocated in every run.
    private void Capture(Entry entry, Func<Tensor> work) => entry.Graph = backend.Capture(() => entry.Result = work());

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
        foreach (Entry entry in _entries.Values) entry.Graph?.Dispose();
        _entries.Clear();
        _releases = backend.Releases;
    }

    private void Remove(TKey key)
    {
        if (_entries.Remove(key, out Entry? entry)) entry.Graph?.Dispose();
    }

    private sealed class Entry
    {
        public CapturedGraph? Graph { get; set; }

        public Tensor Result { get; set; }

        public long LastRun { get; set; }
    }
}
