using Dnabert2.Embeddings;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Verbs;

/// <summary>One run of <c>embed</c>: the records stream through, and what happened to them is counted.</summary>
internal sealed class EmbedRun(
    SequenceModel model, EmbedOptions options, InputFiles files, RowResult result, EmbeddingOutput output, Terminal terminal)
    : IProgress<EmbedProgress>
{
    private readonly Embedder _embedder = new(model, options);
    private ProgressLine? _line;
    private TimeSpan _time;
    private EmbedProgress _before, _block;
    private long _records, _tokens, _truncated, _inPieces;

    /// <summary>Embeds all records.</summary>
    /// <param name="ofTokens">Whether each token has a vector.</param>
    /// <param name="line">Shows the progress.</param>
    public void Run(bool ofTokens, ProgressLine line)
    {
        _line = line;
        foreach (IEnumerable<SequenceRecord> block in result.Blocks(files.Records(), record => record.Length))
        {
            if (ofTokens) RunTokens(block);
            else RunRecords(block);
            _before = _block;
        }

        _time = line.Elapsed;
    }

    /// <summary>Shows the progress of a batch.</summary>
    public void Report(EmbedProgress value)
    {
        _block = new EmbedProgress(_before.TokensDone + value.TokensDone, _before.TokensFound + value.TokensFound);
        if (!_line!.IsDue) return;
        value = _block;
        // Of what was read, a part is done; of the file, a part was read.
        double? share = files.Share * value.TokensDone / value.TokensFound;
        _line.Show(Shared.Count(files.RecordsRead, "record"), value.TokensDone, share);
    }

    /// <summary>Says what was done, and what was left out.</summary>
    public void Report(EmbeddingLayout layout, string path, bool quiet)
    {
        files.Report();
        if (_truncated > 0)
            terminal.Say(
                $"{files.Name}: {Shared.Count(_truncated, "record")} longer than {options.MaxTokens} tokens were "
                + "truncated (--on-too-long truncate)");
        if (quiet) return;
        if (_inPieces > 0)
            terminal.Say(
                $"{Shared.Count(_inPieces, "record")} embedded in several pieces, longer than {options.MaxTokens} "
                + "tokens or cut at unknown bases");
        string target = path == "-" ? "standard output" : string.Join(" and ", EmbeddingOutput.FilesOf(path));
        terminal.Say(
            $"{Shared.Count(_records, "record")}, {Shared.Count(_tokens, "token")} in {_time.TotalSeconds:F1} s on "
            + $"{model.Backend.Description}: [{output.Rows}, {layout.Width}] to {target}");
    }

    private void RunRecords(IEnumerable<SequenceRecord> records)
    {
        int strands = options.AverageReverseComplement ? 2 : 1;
        foreach (SequenceEmbedding embedding in _embedder.Embed(records, this, terminal.Cancellation))
        {
            output.Write(embedding);
            _records++;
            _tokens += embedding.Tokens;
            if (embedding.Truncated) _truncated++;
            if (embedding.Chunks > strands) _inPieces++;
        }
    }

    private void RunTokens(IEnumerable<SequenceRecord> records)
    {
        long last = 0, pieces = 0;
        foreach (TokenEmbeddings embedding in _embedder.EmbedTokens(records, this, terminal.Cancellation))
        {
            output.Write(embedding, model.Tokenizer.Token);
            _tokens += embedding.Ids.Length;
            pieces = embedding.Number == last ? pieces + 1 : 1;
            if (pieces == 2) _inPieces++;
            if (pieces > 1) continue;
            _records++;
            if (embedding.Truncated) _truncated++;
            last = embedding.Number;
        }
    }
}
