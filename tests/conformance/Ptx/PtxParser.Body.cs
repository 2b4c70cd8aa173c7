namespace Conformance.Ptx;

internal sealed partial class PtxParser
{
    private PtxFunction? _function;

    private void Body()
    {
        int depth = 1;
        while (depth > 0)
        {
            if (Peek.Kind == TokenKind.End) throw Error("a function's body is not closed");
            if (Accept('{'))
            {
                _scopes.Add([]);
                depth++;
            }
            else if (Accept('}'))
            {
                if (--depth > 0) _scopes.RemoveAt(_scopes.Count - 1);
            }
            else if (Peek.Kind == TokenKind.Directive) BodyDirective();
            else if (Peek.Kind == TokenKind.Word && _tokens[_at + 1].Is(':')) Label();
            else if (!Accept(';')) _function!.Body.Add(Statement());
        }
    }

    private void BodyDirective()
    {
        Token directive = Next();
        switch (directive.Text)
        {
            case "reg":
                RegisterDeclaration();
                break;
            case "local":
            case "shared":
            case "param":
            case "global":
            case "const":
                _function!.Variables.AddRange(VariableDeclaration(Space(directive.Text), false));
                break;
            case "extern":
                if (!AcceptDirective("shared")) throw Error("only shared memory can be external within a function");
                _function!.Variables.AddRange(VariableDeclaration(PtxSpace.Shared, true));
                break;
            case "pragma":
                _at++;
                Expect(';');
                break;
            default:
                throw new PtxParseException(directive.Line, $"unknown directive '.{directive.Text}' in a function");
        }
    }

    private void RegisterDeclaration()
    {
        string typeName = Next().Text;
        if (!PtxTypes.TryParse(typeName, out PtxType type)) throw Error($"registers of type '.{typeName}' are not supported");
        do
        {
            int line = Peek.Line;
            string name = ExpectWord("a register name");
            if (Accept('<'))
            {
                int count = ExpectCount("a count");
                Expect('>');
                for (int i = 0; i < count; i++) DeclareRegister(name + i, type, line);
            }
            else DeclareRegister(name, type, line);
        }
        while (Accept(','));
        Expect(';');
    }

    private void DeclareRegister(string name, PtxType type, int line)
    {
        int index = type == PtxType.Pred ? _function!.PredicateCount++ : _function!.RegisterCount++;
        Declare(new PtxVariable { Name = name, Space = PtxSpace.Register, Type = type, Line = line, Index = index });
    }

    private void Label()
    {
        Token name = Next();
        Expect(':');
        string[]? targets = null;
        if (AcceptDirective("branchtargets"))
        {
            var list = new List<string>();
            do list.Add(ExpectWord("a label")); while (Accept(','));
            Expect(';');
            targets = [.. list];
        }
        _function!.Body.Add(new PtxStatement { Line = name.Line, Label = name.Text, BranchTargets = targets });
    }

    private PtxStatement Statement()
    {
        PtxOperand? guard = null;
        if (Accept('@'))
        {
            guard = Operand();
            if (guard.Kind != OperandKind.Register || guard.Variable!.Type != PtxType.Pred)
                throw Error("a guard must be a predicate register");
        }
        int line = Peek.Line;
        string opcode = ExpectWord("an instruction");
        var modifiers = new List<string>();
        while (Peek.Kind == TokenKind.Directive) modifiers.Add(Next().Text);
        var operands = new List<PtxOperand>();
        while (!Peek.Is(';'))
        {
            if (operands.Count > 0) Expect(',');
            operands.Add(OperandOrPair());
        }
        _at++;
        return new PtxStatement { Line = line, Opcode = opcode, Modifiers = [.. modifiers], Guard = guard, Operands = [.. operands] };
    }

    private PtxOperand OperandOrPair()
    {
        PtxOperand first = Operand();
        return Accept('|') ? new PtxOperand { Kind = OperandKind.Pair, Items = [first, Operand()] } : first;
    }

    private PtxOperand Operand()
    {
        if (Accept('[')) return Address();
        if (Accept('{')) return new PtxOperand { Kind = OperandKind.Vector, Items = Items('}') };
        if (Accept('(')) return new PtxOperand { Kind = OperandKind.List, Items = Items(')') };
        if (Accept('!'))
        {
            PtxOperand predicate = Operand();
            return predicate.Not();
        }
        return Peek.Kind == TokenKind.Word ? Named() : Literal();
    }

    private PtxOperand[] Items(char end)
    {
        var items = new List<PtxOperand>();
        if (Accept(end)) return [];
        do items.Add(Operand()); while (Accept(','));
        Expect(end);
        return [.. items];
    }

    private PtxOperand Address()
    {
        PtxOperand address = Operand();
        long offset = 0;
        while (Peek.Is('+') || Peek.Is('-'))
        {
            bool minus = Next().Is('-');
            long value = unchecked((long)Literal().Value);
            offset += minus ? -value : value;
        }
        PtxOperand[] items = Accept(',') ? [address, Operand()] : [address];
        Expect(']');
        return new PtxOperand { Kind = OperandKind.Address, Items = items, Offset = offset };
    }

    private PtxOperand Named()
    {
        string name = Next().Text;
        if (name == "_") return new PtxOperand { Kind = OperandKind.Sink };
        if (name == "WARP_SZ") return new PtxOperand { Kind = OperandKind.Integer, Value = 32 };
        if (Find(name) is { } variable)
        {
            OperandKind kind = variable.Space == PtxSpace.Register ? OperandKind.Register : OperandKind.Variable;
            return new PtxOperand { Kind = kind, Name = name, Variable = variable };
        }
        if (name[0] == '%')
        {
            if (Peek.Kind == TokenKind.Directive) name += "." + Next().Text;
            return SpecialRegister.IsKnown(name)
                ? new PtxOperand { Kind = OperandKind.Special, Name = name }
                : throw Error($"'{name}' is neither a declared register nor a known special register");
        }
        return new PtxOperand { Kind = OperandKind.Label, Name = name };
    }

    private PtxOperand Literal()
    {
        bool minus = Accept('-');
        if (!minus) Accept('+');
        Token token = Next();
        return token.Kind switch
        {
            TokenKind.Integer => new PtxOperand { Kind = OperandKind.Integer, Value = minus ? 0UL - token.Value : token.Value },
            TokenKind.Single => new PtxOperand { Kind = OperandKind.Single, Value = minus ? token.Value ^ 0x8000_0000 : token.Value },
            TokenKind.Double =>
                new PtxOperand { Kind = OperandKind.Double, Value = minus ? token.Value ^ 0x8000_0000_0000_0000 : token.Value },
            _ => throw new PtxParseException(token.Line, $"expected an operand, found '{token.Text}'"),
        };
    }

    /// <summary>The bits of a literal in an instruction or a variable of the given type.</summary>
    public static ulong LiteralBits(PtxOperand literal, PtxType type) => literal.Kind switch
    {
        OperandKind.Integer => type.Bytes() >= 8 ? literal.Value : literal.Value & ((1UL << type.Bits()) - 1),
        OperandKind.Double when type == PtxType.F32 =>
            BitConverter.SingleToUInt32Bits((float)BitConverter.UInt64BitsToDouble(literal.Value)),
        OperandKind.Single when type == PtxType.F64 =>
            BitConverter.DoubleToUInt64Bits(BitConverter.UInt32BitsToSingle((uint)literal.Value)),
        _ => literal.Value,
    };
}
