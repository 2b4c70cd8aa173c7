using System.CommandLine;
using Dnabert2.Data;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>pretrain</c>: sequences in, a model folder out, by masked language modelling or on the next token.</summary>
internal sealed class PretrainVerb
{
    private const string Toy = "--hidden 32 --layers 2 --heads 2 --intermediate 64 --steps 20 --batch 8 --warmup 5 --max-bases 100 " +
        "--held-out 0.2";
    private readonly Terminal _terminal;
    private readonly Argument<string[]> _inputs = new("INPUT")
    {
        Description = "sequence files, one per species, as NAME=FILE or FILE; leave them out to use a corpus that was built before",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the folder of the run",
        HelpName = "RUN",
        Required = true,
    };
    private readonly Option<string> _corpusFolder = new("--corpus")
    {
        Description = "the folder of the corpus, which is built there if missing [default: corpus in RUN]",
        HelpName = "DIR",
    };
    private readonly Option<string> _tokenizer = new("--tokenizer")
    {
        Description = "the tokenizer.json, or the vocab.txt of a DNABERT or Nucleotide Transformer, whose model a new one then is; "
            + "or k-mers without a file: overlapping:6, as DNABERT has them, or non-overlapping:6, as the Nucleotide Transformer "
            + "[default: that of --from, or of an existing corpus, otherwise the one that comes with the tool]",
        HelpName = "FILE",
    };
    private readonly Choice<bool> _architecture = new(
        "--architecture", "what a new model is: that which the tokenizer is of, or a DNABERT-2 on any of these tokens",
        ("tokenizer", false), ("dnabert2", true));
    private readonly ModelChoice _from = ModelChoice.Optional(
        "--from",
        "a model, whole or a LoRA adapter, or another run, whose weights training continues from: its folder [default: new weights]");
    private readonly Option<string> _configFile = new("--config")
    {
        Description = "a config.json with the shape of a new model [default: that of the tokenizer's published model: the 117M one]",
        HelpName = "FILE",
    };
    private readonly Option<string> _recipeFile = new("--recipe")
    {
        Description = "a JSON file of options, such as the pretrain.json of another run",
        HelpName = "FILE",
    };
    private readonly Option<bool> _resume = new("--resume") { Description = "resume from the last checkpoint of RUN, if it has one" };
    private readonly Option<bool> _baselines = new("--baselines")
    {
        Description = "at the end, score Markov models of tokens on the same held-out tokens",
    };
    private readonly Choice<EmptyRecords> _onEmpty = Reading.OnEmpty();
    private readonly RecipeFlags _flags = new();
    private readonly Compute _compute;
    private readonly Option<bool> _quiet = Shared.Quiet();

    public PretrainVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: true);
        Command = new Verb(
            "pretrain", "Pre-trains a model on genomes by masked language modelling; without options, by the recipe of the paper.",
            ("dnabert2 pretrain tools/dnabert2/samples/sample.fa -o run --resume " + Toy,
                "a toy, in a second; it begins, or goes on after an interruption"),
            ("dnabert2 pretrain first=tools/dnabert2/samples/sample.fa second=tools/dnabert2/samples/sample.fa --weight first=3 " +
                "--weight second=1 --baselines --tokenizer tools/dnabert2/samples/tokenizer.json -o run " +
                Toy, "two species, and baselines to compare with"),
            ("dnabert2 pretrain tools/dnabert2/samples/sample.fa --from DNABERT-2-117M -o further --lr 5e-5 --warmup 0 --steps 2 " +
                "--batch 2 --max-bases 100", "further pre-training of a given model"))
        {
            _inputs, _output, _corpusFolder, _onEmpty.Option, _tokenizer, _architecture.Option, _configFile, _recipeFile, _resume,
            _baselines,
        };
        foreach (Option option in _from.Options.Concat(_flags.Options)) Command.Add(option);
        foreach (Option option in (ReadOnlySpan<Option>)[_quiet]) Command.Add(option);
        foreach (Option option in _compute.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        Ranks ranks = _terminal.Ranks;
        Communicator? all = ranks.Join(_terminal);
        string folder = parsed.GetRequiredValue(_output);
        bool quiet = parsed.GetValue(_quiet) || ranks.IsSilent, resume = parsed.GetValue(_resume);
        using RunFolder claimed = ranks.Claim(
            folder, Pretrainer.Kind, () => Shared.Claim(folder, Pretrainer.Kind, resume, Inputs(parsed, resume)));
        string? checkpoint = Pretrainer.LastCheckpointOf(folder);
        PretrainOptions recipe = _flags.Apply(parsed, parsed.GetValue(_recipeFile) is { } file ? PretrainOptions.Load(file)
            : resume && Pretrainer.OptionsOf(folder) is { } before ? before : new PretrainOptions { Shards = ranks.UsualShards });
        // What can be wrong with options is found before genomes are read, which may take hours.
        string corpusFolder = parsed.GetValue(_corpusFolder) ?? Path.Combine(folder, "corpus");
        CorpusSource[] sources = [.. (parsed.GetValue(_inputs) ?? []).Select(CorpusSource.Parse)];
        Check(parsed, corpusFolder, sources, recipe);
        ISequenceTokenizer tokenizer = Tokenizer(parsed, corpusFolder);
        using Backend backend = _compute.Open(parsed);
        using Communicator? gpus = all?.BetweenGpus(backend);
        using SequenceModel model = MakeModel(parsed, checkpoint, tokenizer, recipe, backend);
        if (!TokenizerFile.AreSame(model.Tokenizer, tokenizer))
            throw new UsageException(
                $"--tokenizer {parsed.GetValue(_tokenizer)}: is not the one of --from {_from.NameOf(parsed)}; leave it out");
        int windows = _flags.Apply(parsed, new CorpusOptions()).MaxTokens;
        if (sources.Length > 0 && windows > model.MaxTokens)
            throw new UsageException($"--max-tokens {windows}: this model has positions for {model.MaxTokens} tokens; give fewer");
        using Corpus corpus = OpenCorpus(parsed, corpusFolder, sources, tokenizer, quiet);
        using var run = new Pretrainer(
            model, corpus, claimed, recipe, _from.NameOf(parsed) is null ? null : _from.Open(parsed, _terminal, quiet: true),
            gpus ?? all);
        if (!quiet)
            _terminal.Say($"{model.Parameters.Count:N0} parameters on {backend.Description}; {Of(gpus ?? all)}" +
                $"{(run.Step > 0 ? $"going on after step {run.Step:N0}" : "beginning")}");
        double peak = quiet || all is not null ? 0 : 1e9 * backend.MeasurePeak();
        PretrainResult result;
        using (var report = new PretrainReport(_terminal, quiet, run.Step, peak)) result = run.Run(report, _terminal.Cancellation);
        if (!quiet)
            _terminal.Say($"{result.Tokens:N0} tokens in {ProgressLine.Duration(TimeSpan.FromSeconds(result.Seconds))}; " +
                $"the model: {result.Checkpoint}");
        if (result.BestCheckpoint is { } best && best != result.Checkpoint) _terminal.Say($"the lowest held-out loss: {best}");
        if (result.Evaluation is { } evaluation && !ranks.IsSilent) Print(evaluation, corpus, recipe, parsed.GetValue(_baselines));
        return CommandLineTool.Done;
    }

    private static string Of(Communicator? all) => all is null ? "" : $"{all.Size} ranks by {all.Description}; ";

    /// <summary>What training reads; the model to continue from is not asked for any more when a run is resumed.</summary>
    private IEnumerable<string> Inputs(ParseResult parsed, bool resume)
    {
        foreach (string input in parsed.GetValue(_inputs) ?? []) yield return CorpusSource.Parse(input).Path;
        if (!resume && _from.NameOf(parsed) is { } from) yield return from;
    }

    private void Check(ParseResult parsed, string corpus, CorpusSource[] sources, PretrainOptions recipe)
    {
        string folder = parsed.GetRequiredValue(_output);
        if (_from.NameOf(parsed) is { } from)
        {
            if (parsed.GetValue(_configFile) is { } file)
                throw new UsageException($"--config {file}: does not go with --from {from}, which has a shape");
            if (_architecture.Of(parsed)) throw new UsageException($"--architecture: does not go with --from {from}, which is of one");
            if (_flags.Shapes(parsed) is { } shape)
                throw new UsageException($"{shape}: does not go with --from {from}, whose config.json says it");
        }

        if (_architecture.Of(parsed) && parsed.GetValue(_configFile) is { } shaped)
            throw new UsageException($"--architecture: does not go with --config {shaped}, which is of one");
        CorpusOptions cuts = _flags.Apply(parsed, new CorpusOptions());
        if (Pretrainer.LastCheckpointOf(folder) is null && recipe.WarmupSteps > recipe.Steps)
            throw new UsageException(
                $"--steps {recipe.Steps}: the learning rate rises over {recipe.WarmupSteps} steps and would not reach its highest; " +
                $"give --warmup, too, such as --warmup {recipe.Steps / 10}");
        if (parsed.GetValue(_baselines) && cuts.HeldOut == 0)
            throw new UsageException("--baselines: are scored on held-out windows, and --held-out 0 keeps none");
        if (sources.Length > 0)
        {
            // Rank 0 is building it.
            if (_terminal.Ranks.IsSilent) return;
            CorpusBuilder.Check(corpus, sources, cuts);
            recipe.Validate(cuts, [.. sources.Select(source => source.Species).Distinct()]);
            return;
        }

        if (!Directory.Exists(corpus))
            throw new UsageException($"{corpus}: there is no corpus; name sequence files, or the folder of a corpus with --corpus");
        if (_flags.CutsWindows(parsed) || _onEmpty.Of(parsed) != EmptyRecords.Skip)
            throw new UsageException("options that read and cut sequences need the sequence files; a corpus is used as it was built");
    }

    private Corpus OpenCorpus(ParseResult parsed, string folder, CorpusSource[] sources, ISequenceTokenizer tokenizer, bool quiet)
    {
        // Rank 0 builds it, and the others open it then.
        Corpus? built = sources.Length > 0 && !_terminal.Ranks.IsSilent ? Build(parsed, folder, sources, tokenizer, quiet) : null;
        _terminal.Ranks.All?.Barrier();
        return built ?? Corpus.Open(folder);
    }

    private Corpus Build(ParseResult parsed, string folder, CorpusSource[] sources, ISequenceTokenizer tokenizer, bool quiet)
    {
        using var line = new ProgressLine(_terminal, quiet, "bases");
        var progress = new CorpusReport(line);
        CorpusOptions options = _flags.Apply(parsed, new CorpusOptions { OnEmpty = _onEmpty.Of(parsed) });
        Corpus corpus = CorpusBuilder.Build(folder, sources, tokenizer, options, progress, _terminal.Cancellation);
        line.Dispose();
        foreach (string note in progress.Notes) _terminal.Say(note);
        foreach (CorpusSpecies species in corpus.Species)
        {
            if (species.Training.Windows == 0) _terminal.Say($"{species.Name}: no window to train on");
            else if (!quiet)
                _terminal.Say($"{species.Name}: {species.Bases:N0} bases, {species.Training.Windows:N0} windows to train on, " +
                    $"{species.HeldOut.Windows:N0} held out, {species.RepeatedWindows:N0} left out of these because they repeat one to " +
                    $"train on, {species.AmbiguousWindows:N0} dropped for other letters than A, C, G, T");
        }

        return corpus;
    }

    private ISequenceTokenizer Tokenizer(ParseResult parsed, string corpus)
    {
        if (parsed.GetValue(_tokenizer) is { } path) return Named(path) ?? TokenizerFile.Load(path);
        if (_from.NameOf(parsed) is not null) return _from.Open(parsed, _terminal, quiet: true).LoadTokenizer();
        return TokenizerFile.Find(corpus) is { } file ? TokenizerFile.Load(file) : Shared.BuiltInTokenizer();
    }

    /// <summary>The k-mers of a name; null where it is the path of a file.</summary>
    private static ISequenceTokenizer? Named(string name)
    {
        try
        {
            return File.Exists(name) ? null : TokenizerFile.OfName(name);
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"--tokenizer {e.Message}");
        }
    }

    private SequenceModel MakeModel(
        ParseResult parsed, string? checkpoint, ISequenceTokenizer tokenizer, PretrainOptions recipe, Backend backend)
    {
        if (checkpoint is null && _from.NameOf(parsed) is not null)
        {
            ModelSource source = _from.Open(parsed, _terminal, parsed.GetValue(_quiet));
            return source.Load(backend, source.LanguageModel, trainable: true);
        }

        string? file = parsed.GetValue(_configFile) ?? (checkpoint is null ? null : Path.Combine(checkpoint, "config.json"));
        try
        {
            ModelShape shape = _flags.Shape(parsed);
            return file is null && _architecture.Of(parsed)
                ? Dnabert2Model.Initialize(
                    shape.Of(new Dnabert2Config { VocabSize = tokenizer.VocabularySize }), tokenizer, recipe.Seed, backend, trainable: true)
                : SequenceModel.Initialize(tokenizer, recipe.Seed, shape, file, backend, trainable: true);
        }
        catch (ArgumentException e) when (_flags.Shapes(parsed, withValues: true) is { } given)
        {
            throw new UsageException($"{given}: {e.Message}");
        }
    }

    private void Print(Evaluation evaluation, Corpus corpus, PretrainOptions recipe, bool baselines)
    {
        var table = new StringWriter();
        table.WriteLine("model\tspecies\twindows\tmasked_tokens\tloss\taccuracy\tbits_per_base");
        Rows("model", evaluation);
        if (baselines)
        {
            Rows("unigram", MarkovBaseline.Train(corpus, 0).Evaluate(corpus, recipe.EvaluationWindows, recipe.MaskProbability));
            Rows("markov2", MarkovBaseline.Train(corpus, 2).Evaluate(corpus, recipe.EvaluationWindows, recipe.MaskProbability));
            Rows("unigram_of_species", OfSpecies(0));
            Rows("markov2_of_species", OfSpecies(2));
        }

        _terminal.Output.Write(System.Text.Encoding.UTF8.GetBytes(table.ToString()));
        _terminal.Output.Flush();

        void Rows(string model, Evaluation scores)
        {
            foreach (SpeciesScore s in scores.Species) Row(model, s.Name, s.Score);
            Row(model, "all", scores.Total);
        }

        void Row(string model, string name, Score s) =>
            table.WriteLine($"{model}\t{name}\t{s.Windows}\t{s.Tokens}\t{s.Loss:F4}\t{s.Accuracy:F4}\t{s.BitsPerBase:F4}");

        // For each species a baseline of its own, which knows nothing but its genome.
        Evaluation OfSpecies(int order)
        {
            var scores = new List<SpeciesScore>();
            for (int s = 0; s < corpus.Species.Count; s++)
            {
                if (corpus.Species[s].HeldOut.Windows == 0) continue;
                Evaluation own = MarkovBaseline.Train(corpus, order, s).Evaluate(corpus, recipe.EvaluationWindows, recipe.MaskProbability);
                scores.Add(own.Species.First(score => score.Name == corpus.Species[s].Name));
            }

            return new Evaluation(scores.Aggregate(default(Score), (sum, s) => sum + s.Score), scores);
        }
    }

    private sealed class CorpusReport(ProgressLine line) : IProgress<CorpusProgress>
    {
        /// <summary>What there is to say of the files, once the line of the progress is gone.</summary>
        public List<string> Notes { get; } = [];

        public void Report(CorpusProgress value)
        {
            if (value.Note is { } note) Notes.Add(note);
            if (!line.IsDue) return;
            string what = value.Comparing ? "windows compared with those held out" : $"{value.Bases:N0} bases cut into windows";
            line.Show($"{value.Species}: {what}", value.Bases, value.Share);
        }
    }
}
