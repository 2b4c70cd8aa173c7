namespace Engine.Kernels;

/// <summary>Neighbouring elements of flat tensors that an optimizer updates alike.</summary>
/// <param name="Start">The first element: a multiple of 16.</param>
/// <param name="Count">The number of elements.</param>
/// <param name="Decays">Whether weight decay applies to them.</param>
public readonly record struct AdamWRun(long Start, int Count, bool Decays);

/// <summary>Which elements of flat tensors an optimizer updates: as runs, and as words that a GPU reads beside the elements.</summary>
public sealed class AdamWRuns
{
    private const int Group = 16, GroupsPerWord = 16;
    private readonly AdamWRun[] _runs;
    private readonly uint[] _words;

    /// <summary>These runs.</summary>
    /// <param name="runs">The runs, without overlap.</param>
    /// <param name="length">The length of the flat tensors.</param>
    /// <exception cref="ArgumentException">A run does not begin at a multiple of 16, or reaches past the end.</exception>
    public AdamWRuns(ReadOnlySpan<AdamWRun> runs, long length)
    {
        (_runs, Length) = (runs.ToArray(), length);
        _words = new uint[(length + (Group * GroupsPerWord) - 1) / (Group * GroupsPerWord)];
        foreach (AdamWRun run in _runs)
        {
            if (run.Start % Group != 0 || run.Start < 0 || run.Count < 0 || run.Start + run.Count > length)
                throw new ArgumentException(
                    $"a run of {run.Count} elements from {run.Start} on is no part of {length}, or begins at no multiple of {Group}");
            for (long group = run.Start / Group; group * Group < run.Start + run.Count; group++)
                _words[group / GroupsPerWord] |= (run.Decays ? 2u : 1u) << (int)(2 * (group % GroupsPerWord));
        }
    }

    /// <summary>The runs.</summary>
    public ReadOnlySpan<AdamWRun> Runs => _runs;

    /// <summary>The length of the flat tensors.</summary>
    public long Length { get; }

    /// <summary>
    /// [⌈length / 256⌉]: a word for each 256 elements, two bits for each 16 of them, lowest first: 1 if they are updated, 2 if they also
    /// decay.
    /// </summary>
    public ReadOnlySpan<uint> Words => _words;
}
