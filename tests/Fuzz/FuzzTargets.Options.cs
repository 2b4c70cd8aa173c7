using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Dnabert2.Tool;
using Dnabert2.Tool.Verbs;
using Dnabert2.Training;

namespace Tests.Fuzz;

/// <content>Command lines, and the values of options that have a form of their own.</content>
public sealed partial class FuzzTargets
{
    // Messages repeat an argument; a longer one is not typed, and would drown the message.
    private const int LongestArgument = 1000;

    /// <summary>A command line with an argument on each line; nothing is run.</summary>
    private FuzzTarget CommandLines()
    {
        Terminal terminal = new()
        {
            Input = Stream.Null,
            Output = Stream.Null,
            Error = TextWriter.Null,
            Gpus = new Gpus(() => ([], "none here"), (_, _) => (null, "none here")),
        };
        var debug = new Option<bool>("--debug") { Recursive = true };
        return new FuzzTarget(
            "command lines",
            [
                Bytes("embed\nx.fa\n-o\ny.npy\n--on-n\nsplit\n--max-record-bases=5\n--device\nauto\n--threads=1"),
                Bytes("predict\n--model\nm\nx.fa\n--threads\n3\n--rc-average\n--batch-tokens\n7"),
                Bytes("pretrain\na=x.fa\ny.fa\n-o\nrun\n--weight\na=2\n--weight\ny=0.5\n"
                    + "--steps\n3\n--lr=1e-3\n--decay\ncosine\n--dtype\nbf16\n--recompute"),
                Bytes("finetune\n--model\nm\n--data\nd\n-o\nrun\n--lora\nr=4\n--seeds\n1,2\n"
                    + "--class-weights\nbalanced\n--clip\n0\n--method\nlora"),
                Bytes("evaluate\n--suite\ngue\n--data\nd\n-o\nout\n--tasks\nmouse/0\n--seeds\n1,2\n--methods\nfull,kmer\n--lora-lr\n0.1"),
                Bytes("attribute\nx.fa\n--region\n1-5\n--window\n64\n--class\nb\n--target\nclass"),
                Bytes("variants\nx.vcf\n-g\ny.fa\n--on-mismatch\nerror\n--device=cuda:1"),
                Bytes("variants\nx.vcf\n-g\ny.fa\n--scores\nlikelihood,distances\n--step\n64\n--metrics\nm.tsv\n--label\nL\n--by=C"),
                Bytes("tokenize\nx.fa\n--ids\n--format\nfasta\n--sequence-column\ndna\n--on-empty\nerror"),
                Bytes("bench\nattention\n--variant\nwindow:3\n--shapes\n1x2"),
                Bytes("info\nm\n--base\nb"), Bytes("convert\nm\n-o\nx.safetensors\n--dtype\nf32"),
                Bytes("export\nm\n-o\nx.onnx\n--head\nnone\n--length\n24"),
                Bytes("merge-lora\na\n--base\nb\n-o\nout"), Bytes("train-tokenizer\nx.fa\n-o\nt.json\n--vocab-size\n300"),
            ],
            Mutation.OfText, input =>
            {
                string[] args =
                    [.. Encoding.Latin1.GetString(input).Split('\n').Select(line => line[..Math.Min(line.Length, LongestArgument)])];
                // First what is understood later: what belongs to no verb does not hide it.
                string applied = Applied(args[0], args, terminal);
                ParseResult parsed = CommandLineTool.Commands(
                    terminal, debug, args[0]).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
                if (parsed.Errors.Count > 0) throw new UsageException(parsed.Errors[0].Message);
                var text = new StringBuilder(parsed.CommandResult.Command.Name);
                foreach (Option option in parsed.CommandResult.Command.Options)
                    if (parsed.GetResult(option) is { Implicit: false } given)
                        text.Append(' ').Append(option.Name).Append('=').AppendJoin(',', given.Tokens.Select(t => t.Value));
                return text.Append(' ').Append(applied).ToString();
            })
        { Documented = [typeof(UsageException), typeof(ArgumentException)] };
    }

    /// <summary>What the options of a verb come to that are understood when it runs.</summary>
    private static string Applied(string verb, string[] args, Terminal terminal)
    {
        (RecipeFlags pretrain, FinetuneFlags finetune, Compute compute) =
            (new RecipeFlags(), new FinetuneFlags(), new Compute(terminal, training: false));
        // Its name is none of what is typed: the first argument may be an option's.
        Command command = new("verb") { TreatUnmatchedTokensAsErrors = false };
        IEnumerable<Option> options = verb switch { "pretrain" => pretrain.Options, "finetune" => finetune.Options, _ => compute.Options };
        foreach (Option option in options) command.Add(option);
        ParseResult parsed = command.Parse(args[1..], new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0) throw new UsageException(parsed.Errors[0].Message);
        if (verb == "pretrain")
            return $"{pretrain.Apply(parsed, new PretrainOptions())} {pretrain.Apply(parsed, new CorpusOptions())} "
                + $"{pretrain.Shape(parsed)}";
        if (verb == "finetune") return $"{finetune.Apply(parsed, new FineTuneOptions())} {string.Join(',', finetune.Seeds(parsed).Seeds)}";
        if (compute.Threads(parsed) is 0 or > 1) return $"{compute.PrecisionOf(parsed)}";
        compute.Open(parsed).Dispose();
        return $"{compute.PrecisionOf(parsed)} here";
    }

    /// <summary>The value of an option: its name, a blank, and what is typed.</summary>
    private FuzzTarget Options() => new(
        "options",
        [
            Bytes("lora r=8,alpha=16,dropout=0.05,targets=attention.self.Wqkv,mlp.*"), Bytes("source yeast=a/b.fa.gz"),
            Bytes("region chr1:40-80"), Bytes("region 1-2"), Bytes("shard 3/8"),
            Bytes("variant window:256"), Bytes("variant softcap:30"), Bytes("variant rotary:128"), "shapes 32x128,8×512"u8.ToArray(),
            Bytes("seeds 1,2,18446744073709551615"), Bytes("densities 3000,30"),
        ],
        Mutation.OfText, input =>
        {
            string text = Encoding.UTF8.GetString(input), name = text.Split(' ')[0], value = text[Math.Min(name.Length + 1, text.Length)..];
            value = value[..Math.Min(value.Length, LongestArgument)];
            switch (name)
            {
                case "source": return CorpusSource.Parse(value).ToString();
                case "region": return AttributeVerb.ParseRegion(value).ToString();
                case "shard": return Dnabert2.Tool.Pieces.Shard.Parse(value, _ => null).ToString();
                case "variant": return string.Join('|', SelfAttention.Parse(value).Name);
                case "shapes": return string.Join('|', BenchVerb.Shapes(value));
                case "densities": return string.Join('|', BenchVariantsVerb.Densities(value));
                case "seeds": return string.Join('|', EvaluateVerb.ParseSeeds(value));
            }

            LoraOptions options = LoraOptions.Parse(value);
            return $"{options.Rank} {options.Alpha} {options.Dropout} {string.Join('|', options.Targets ?? [])}";
        })
    { Documented = [typeof(ArgumentException), typeof(UsageException)] };
}
