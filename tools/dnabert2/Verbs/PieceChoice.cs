using System.CommandLine;
using Dnabert2.Folders;
using Dnabert2.Tool.Pieces;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary>The options of how much of a result a process writes.</summary>
internal sealed class PieceChoice
{
    private readonly Terminal _terminal;
    private readonly Option<string?> _shard = new("--shard")
    {
        Description = "write one piece of the result, OUT with '.I-of-N' before its extension, for 'dnabert2 merge'; pieces may be "
        + "written by several machines at once; slurm: of a task of an array; kubernetes/N: of a pod of an indexed job",
        HelpName = "I/N|slurm|kubernetes/N",
    };

    private readonly Option<bool> _resume = new("--resume")
    {
        Description = "keep what was done when the run is interrupted or killed, beside OUT, and go on with it if there is some",
    };

    public PieceChoice(Terminal terminal) => _terminal = terminal;

    /// <summary>All of them.</summary>
    public IEnumerable<Option> Options => [_shard, _resume];

    /// <summary>The name of a file of the result, or of its piece.</summary>
    /// <param name="parsed">What was typed.</param>
    /// <param name="path">The name of the file of the whole result; "-" stays what it is.</param>
    public string PathOf(ParseResult parsed, string path) =>
        path != "-" && ShardOf(parsed) is { } shard ? shard.NameOf(path) : path;

    /// <summary>Begins a result.</summary>
    /// <param name="parsed">What was typed.</param>
    /// <param name="path">Its file, by <see cref="PathOf"/>; "-" is standard output.</param>
    /// <param name="blockSize">The least size of a block.</param>
    /// <param name="backend">Where is computed; null: nothing is.</param>
    /// <param name="model">The model, or what has the tokenizer; null: there is none.</param>
    /// <param name="inputs">All files that are read besides; "-" is standard input.</param>
    /// <exception cref="UsageException">A piece, or what is to be gone on with, is standard output or made from a pipe.</exception>
    /// <exception cref="InvalidDataException">What was kept, or what is there, is of another run.</exception>
    public RowResult Open(
        ParseResult parsed, string path, long blockSize, Backend? backend, ModelSource? model, IEnumerable<string> inputs) =>
        new(_terminal, path, new PieceOptions(ShardOf(parsed), parsed.GetValue(_resume), blockSize), backend?.Description ?? "",
            () => RunRecord.Of(parsed, backend, model, inputs));

    private Shard? ShardOf(ParseResult parsed) =>
        parsed.GetValue(_shard) is { } text ? Shard.Parse(text, Environment.GetEnvironmentVariable) : null;
}
