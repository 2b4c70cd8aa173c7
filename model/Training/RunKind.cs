using System.IO.Enumeration;
using System.Text;
using Dnabert2.Files;

namespace Dnabert2.Training;

/// <summary>A kind of run: what it makes in its folder, and how its folder is told from others.</summary>
public sealed class RunKind
{
    private readonly string[] _leftovers;
    private readonly Func<string, bool> _isOlder, _isBegun;

    /// <param name="name">Its name, for people and in the marker.</param>
    /// <param name="names">The files and folders it makes in its folder; a star stands for any letters.</param>
    /// <param name="isOlder">Whether a folder holds a run of a version that left no marker.</param>
    /// <param name="isBegun">Whether the run in a folder has got so far that beginning anew would lose something.</param>
    internal RunKind(string name, IReadOnlyList<string> names, Func<string, bool> isOlder, Func<string, bool> isBegun) =>
        (Name, Names, _leftovers, _isOlder, _isBegun) =
        (name, names, [.. names.Select(n => $".{n}.dnabert2-????????????????.tmp*")], isOlder, isBegun);

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>The files and folders it makes in its folder; a star stands for any letters.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>
    /// Whether nothing but the run may be in its folder, and the marker goes as soon as there is something to lose: what was made speaks
    /// for itself.
    /// </summary>
    internal bool IsWhole { get; init; }

    /// <summary>
    /// Whether a name is that of what becomes one of the files of the run, or of what such a file replaces (see <see cref="ResultFiles"/>).
    /// </summary>
    internal bool IsLeftover(string name) => Matches(_leftovers, name);

    internal bool IsOlder(string folder) => _isOlder(folder);

    internal bool IsBegun(string folder) => _isBegun(folder);

    /// <summary>Whether a text stands at the beginning of a file.</summary>
    internal static bool BeginsWith(string path, string text)
    {
        // No run makes links, and what has no length may be a pipe.
        if (new FileInfo(path) is not { Exists: true, LinkTarget: null, Length: > 0 }) return false;
        Span<byte> beginning = stackalloc byte[160];
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        beginning = beginning[..file.ReadAtLeast(beginning, beginning.Length, throwOnEndOfStream: false)];
        return beginning.IndexOf(Encoding.UTF8.GetBytes(text)) >= 0;
    }

    internal static bool Matches(IReadOnlyList<string> names, string name)
    {
        foreach (string pattern in names)
            if (FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: !OperatingSystem.IsLinux())) return true;
        return false;
    }
}
