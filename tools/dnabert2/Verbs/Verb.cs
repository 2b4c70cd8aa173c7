using System.CommandLine;

namespace Dnabert2.Tool.Verbs;

/// <summary>A verb of the tool, with lines to learn it from.</summary>
/// <param name="name">The verb.</param>
/// <param name="description">What it does.</param>
/// <param name="examples">Lines to type at the root of the repository, and what each does.</param>
internal sealed class Verb(string name, string description, params (string Line, string What)[] examples) : Command(name, description)
{
    /// <summary>Lines to type at the root of the repository, and what each does.</summary>
    public IReadOnlyList<(string Line, string What)> Examples { get; } = examples;
}
