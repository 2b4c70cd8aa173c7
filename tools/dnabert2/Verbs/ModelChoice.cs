using System.CommandLine;
using Dnabert2.Folders;

namespace Dnabert2.Tool.Verbs;

/// <summary>Which model a verb takes: <c>--model</c>, or another name, and <c>--base</c> of an adapter.</summary>
internal sealed class ModelChoice
{
    private readonly Symbol _model;

    private ModelChoice(Symbol model) => _model = model;

    /// <summary>The argument of the command line, where it is one.</summary>
    public Argument<string?> Argument => (Argument<string?>)_model;

    /// <summary>The base of an adapter.</summary>
    private Option<string?> Base { get; } = new("--base")
    {
        Description = "the folder of the base, where the model is an adapter; 'default' is the model that comes with the tool "
        + "[the one that the adapter names]",
        HelpName = "DIR",
    };

    /// <summary>The options of the command line.</summary>
    public IEnumerable<Option> Options => _model is Option option ? [option, Base] : [Base];

    /// <summary>An option that has to be given.</summary>
    public static ModelChoice Required(string name, string description) =>
        new(new Option<string?>(name) { Description = description, HelpName = "DIR", Required = true });

    /// <summary>An option that need not be given; without it there is no model, or the one that comes with the tool.</summary>
    public static ModelChoice Optional(string name, string description, string? preferred = null)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = preferred is null ? "DIR" : $"DIR|{preferred}" };
        if (preferred is not null) option.DefaultValueFactory = _ => preferred;
        return new ModelChoice(option);
    }

    /// <summary>An argument.</summary>
    public static ModelChoice Of(Argument<string?> argument) => new(argument);

    /// <summary>The name that was given, or null.</summary>
    public string? NameOf(ParseResult parsed) => _model is Option<string?> option ? parsed.GetValue(option) : parsed.GetValue(Argument);

    /// <summary>The folder of the base that was given, or null.</summary>
    public string? BaseOf(ParseResult parsed) => parsed.GetValue(Base);

    /// <summary>
    /// Whether it is the network of Genomic Benchmarks, which is not trained yet; a folder of that name is another one.
    /// </summary>
    public bool IsNewNetwork(ParseResult parsed) => NameOf(parsed) == "cnn" && !Directory.Exists("cnn");

    /// <summary>What was chosen; said where it is not what was named.</summary>
    /// <exception cref="UsageException">A base is given for what is not an adapter.</exception>
    public ModelSource Open(ParseResult parsed, Terminal terminal, bool quiet)
    {
        string name = NameOf(parsed) ?? throw new UsageException($"{_model.Name} is missing");
        string? named = parsed.GetValue(Base);
        if (named is not null && (name == ModelSource.BuiltIn || (Directory.Exists(name) && !ModelSource.HoldsAdapter(name))))
            throw new UsageException($"--base {named}: {name} is not an adapter, so it has no base");
        ModelSource source = ModelSource.Open(name, named);
        if (!quiet && source.Description.Length > 0) terminal.Say(source.Description);
        return source;
    }
}
